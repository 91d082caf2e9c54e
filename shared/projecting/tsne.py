"""t-SNE: points on a plane, so that close ones stay close.

Source: L. van der Maaten and G. Hinton, Visualizing Data using t-SNE (2008). Similarities of the
nearest neighbours only, as in van der Maaten's Accelerating t-SNE using Tree-Based Algorithms
(2014), but the repulsion between all pairs is exact: it is computed in blocks, half of them
mirrored, so that 5,000 points need no matrix of 5,000 squared. The beginning along the principal
components and the learning rate follow D. Kobak and P. Berens, The art of using t-SNE for
single-cell transcriptomics (2019).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

ITERATIONS = 500
"""Where 5,000 passages of 384 dimensions stopped moving visibly."""
_EXAGGERATED = 150
"""First iterations, in which neighbours attract each other more strongly to form groups."""
_EXAGGERATION = 12.0
_SLOW, _FAST = 0.5, 0.8
"""Momentum while exaggerated, and after."""
_LEAST_RATE = 50.0
_LEAST_GAIN = 0.01
_START = 1e-4
"""Standard deviation of the first coordinate in the beginning."""
_BLOCK = 256
"""Rows of a block: with 5,000 columns it stays in the cache of a core."""
_SEARCH_STEPS = 60


def lay_out(points: Points, *, perplexity: float, step: Callable[[int, int], None]) -> Points:
    """Return a place for each point, `(n, 2)`.

    Args:
        points: `(n, m)` with m at least 2, widest direction first; n at least 4.
        perplexity: about how many neighbours a point has.
        step: hears of each iteration as (done, all) and may raise to stop.
    """
    neighbours, weights = _similarities(points, perplexity)
    rows = len(points)
    places = points[:, :2] * np.float32(_START / max(float(points[:, 0].std()), 1e-12))
    velocity, gains = np.zeros_like(places), np.ones_like(places)
    rate = np.float32(max(rows / _EXAGGERATION / 4, _LEAST_RATE))
    for done in range(ITERATIONS):
        step(done, ITERATIONS)
        early = done < _EXAGGERATED
        pull = _attraction(places, neighbours, weights)
        slope = 4 * ((_EXAGGERATION if early else 1.0) * pull - _repulsion(places))
        against = np.sign(slope) != np.sign(velocity)
        gains = np.maximum(np.where(against, gains + 0.2, gains * 0.8), _LEAST_GAIN)
        velocity = (_SLOW if early else _FAST) * velocity - rate * gains * slope
        places = (places + velocity).astype(np.float32)
        places -= places.mean(axis=0)
    return places


def _similarities(points: Points, perplexity: float) -> tuple[NDArray[np.int64], Points]:
    """Return the nearest neighbours of each point, `(n, k)`, and how much each pair attracts.

    The weight of a pair is that of either direction halved: both together sum to 1.
    """
    rows = len(points)
    count = min(rows - 1, int(3 * perplexity))
    squares = np.einsum("ij,ij->i", points, points)
    neighbours = np.empty((rows, count), dtype=np.int64)
    distances = np.empty((rows, count), dtype=np.float64)
    for start in range(0, rows, _BLOCK):
        block = points[start : start + _BLOCK]
        apart = squares[start : start + _BLOCK, None] + squares - 2 * block @ points.T
        apart[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        closest = np.argpartition(apart, count - 1, axis=1)[:, :count]
        neighbours[start : start + _BLOCK] = closest
        distances[start : start + _BLOCK] = np.take_along_axis(apart, closest, axis=1)
    weights = _conditional(np.maximum(distances, 0.0), perplexity)
    return neighbours, (weights / (2 * rows)).astype(np.float32)


def _conditional(distances: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """Return weights of neighbours that sum to 1 in each row, of about this perplexity.

    The width of each row's bell curve is found by bisection, all rows at once.
    """
    distances = distances - distances.min(axis=1, keepdims=True)
    low = np.zeros(len(distances))
    high = np.full(len(distances), np.inf)
    sharpness = 1.0 / np.maximum(distances.mean(axis=1), 1e-12)
    for _ in range(_SEARCH_STEPS):
        weights = np.exp(-distances * sharpness[:, None])
        sums = weights.sum(axis=1)
        entropy = np.log(sums) + sharpness * (distances * weights).sum(axis=1) / sums
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, sharpness, low), np.where(wide, high, sharpness)
        sharpness = np.where(np.isinf(high), 2 * sharpness, (low + np.minimum(high, 1e300)) / 2)
    weights = np.exp(-distances * sharpness[:, None])
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _attraction(places: Points, neighbours: NDArray[np.int64], weights: Points) -> Points:
    """Return the pull on each point, `(n, 2)`: each pair pulls at both of its ends."""
    apart = [axis[:, None] - axis[neighbours] for axis in np.ascontiguousarray(places.T)]
    pull = weights / (1 + apart[0] ** 2 + apart[1] ** 2)
    ends, rows = neighbours.ravel(), len(places)
    pulled = np.empty_like(places)
    for axis in (0, 1):
        forces = apart[axis] * pull
        back = np.bincount(ends, weights=forces.ravel(), minlength=rows)
        pulled[:, axis] = forces.sum(axis=1) - back
    return pulled


def _repulsion(places: Points) -> Points:
    """Return the push on each point, `(n, 2)`, normalised over all pairs."""
    rows = len(places)
    ones = np.ones((rows, 1), dtype=np.float32)
    squares = np.einsum("ij,ij->i", places, places)[:, None]
    # One product gives 1 + the squared distance of each pair.
    left = np.hstack([-2 * places, squares + 1, ones])
    right = np.hstack([places, ones, squares])
    known = np.hstack([places, ones])
    push = np.zeros((rows, 3), dtype=np.float64)
    total = 0.0
    for start in range(0, rows, _BLOCK):
        end = min(start + _BLOCK, rows)
        size = end - start
        near = left[start:end] @ right[start:].T
        np.reciprocal(near, out=near)
        near[np.arange(size), np.arange(size)] = 0  # a point does not repel itself
        # A pair inside the block is met from both ends, any other one once.
        total += 2 * float(near.sum()) - float(near[:, :size].sum())
        near *= near
        push[start:end] += near @ known[start:]
        push[end:] += near[:, size:].T @ known[start:end]
    away = places * push[:, 2:] - push[:, :2]
    return np.asarray(away / max(total, 1e-12), dtype=np.float32)
