"""Tuning: how hard an approximate index must look to find what an exact search finds.

Queries are vectors of the segment itself, each left out of its own answer. They are easier than
live queries, so the aim lies a little above the target.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain import Metric, Policy, Vectors
from shared.index import ann, codec, layouts
from shared.index.codec import FaissIndex
from shared.index.merging import Rows
from shared.index.progress import Progress

QUERIES = 256
"""Sampled vectors; the standard error of a recall@10 of 0.95 is then about half a percent."""

_SLACK = 28
"""Candidates beyond the largest k that are scored again for the exact answer: matrix products
round otherwise than the scan."""

_CHUNK = 10_000

_MARGIN = 0.2
"""Share of what is missing to 1 that is aimed for above the target."""

_NEAR = 1e-6

_SEED = 4321

_EFFORTS = sorted({round(step * 2**n) for n in range(16) for step in (1, 1.5)})
_EF = 16, 1024
_DEPTHS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Queries and how near their exact neighbours are."""

    places: NDArray[np.int64]
    """Position of each query among the rows."""
    queries: Vectors
    nearness: Vectors
    """`(queries, most k)`, best first, the query itself left out; higher is nearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What an index needs, and how much it finds then."""

    effort: tuple[tuple[int, int], ...]
    """(k, effort) by rising k; empty if the target was not reached for the least k."""
    depth: int
    recall: float
    """Recall@10 with that depth and the first of the efforts; the best if none reached it."""


def sample(rows: Rows, progress: Progress) -> Sample:
    """Draw queries and find their exact nearest by looking at every row."""
    random = np.random.default_rng(_SEED)
    places = np.sort(random.choice(len(rows), min(QUERIES, len(rows)), replace=False))
    queries = rows.vectors(places)
    most = max(_tuned_for(len(rows)))
    near = _nearest(rows, queries, places, min(most + _SLACK, len(rows) - 1), progress)
    nearness = [
        _nearness(rows, queries[one : one + 1], near[one])[:most] for one in range(len(places))
    ]
    return Sample(places=places, queries=queries, nearness=np.array(nearness))


def tune(
    index: FaissIndex,
    policy: Policy,
    rows: Rows,
    drawn: Sample,
    *,
    target: float,
    progress: Progress,
) -> Tuned:
    """Find the least effort and depth that reach *target*, a share of the exact best k.

    A vector counts as found when it is as near as the k-th of the exact answer (but for 1e-6 of
    it): which of several equals is returned is no error, and duplicates have none.
    """
    measured = _Measure(index, policy, rows, drawn, progress)
    efforts = _efforts(index, policy)
    aim = target + _MARGIN * (1 - target)
    first, *others = _tuned_for(len(rows))
    depths = _DEPTHS if policy in ann.RESCORED else (1,)
    depth, _ = _least(depths, lambda one: measured.recall(first, efforts[-1], one), aim)
    effort, recall = _least(efforts, lambda one: measured.recall(first, one, depth), aim)
    reached = [(first, effort)] if recall >= target else []
    for k in others if reached else ():
        enough = [one for one in efforts if one >= effort]
        more, found = _least(enough, lambda one, k=k: measured.recall(k, one, depth), aim)  # type: ignore[misc]
        if found >= target:
            reached.append((k, more))
    return Tuned(effort=tuple(reached), depth=depth, recall=recall)


class _Measure:
    """What share of the exact answer an index finds."""

    def __init__(
        self, index: FaissIndex, policy: Policy, rows: Rows, drawn: Sample, progress: Progress
    ) -> None:
        self._progress = progress
        self._index = index
        self._policy = policy
        self._rows = rows
        self._drawn = drawn

    def recall(self, k: int, effort: int, depth: int) -> float:
        """Return recall@*k*, 0 to 1, over all queries."""
        self._progress.advance()
        count = min(k * depth + 1, len(self._rows))  # one more: the query finds itself
        scores, found = ann.ask(
            self._index, self._policy, self._drawn.queries, count, effort=effort
        )
        right = sum(
            self._right(query, k, scores[query], found[query]) for query in range(len(found))
        )
        return right / (k * len(found))

    def _right(self, query: int, k: int, scores: Vectors, found: ann.Found) -> int:
        others = (found >= 0) & (found != self._drawn.places[query])
        if not others.any():
            return 0
        if self._policy in ann.RESCORED:
            asked = self._drawn.queries[query : query + 1]
            near = _nearness(self._rows, asked, found[others])
        else:
            near = _as_nearness(scores[others], self._rows.metric)
        last = self._drawn.nearness[query, k - 1]
        return int((near[:k] >= last - _NEAR * max(1.0, abs(last))).sum())


def _least(values: Sequence[int], recall: Callable[[int], float], aim: float) -> tuple[int, float]:
    """Return the first of rising *values* that reaches *aim*, else the one that comes nearest."""
    best = values[0], -1.0
    for value in values:
        found = recall(value)
        if found > best[1]:
            best = value, found
        if found >= aim:
            break
    return best


def _efforts(index: FaissIndex, policy: Policy) -> list[int]:
    least, most = _EF if policy is Policy.HNSW else (1, ann.most_effort(index, policy))
    return [*(one for one in _EFFORTS if least <= one < most), most]


def _tuned_for(rows: int) -> tuple[int, ...]:
    """Return the numbers of hits to tune for: those that are a small part of the rows."""
    return tuple(k for k in layouts.TUNED if 4 * k <= rows) or layouts.TUNED[:1]


def _nearest(
    rows: Rows, queries: Vectors, places: NDArray[np.int64], count: int, progress: Progress
) -> NDArray[np.int64]:
    """Return positions of about the nearest *count* rows of each query, itself left out."""
    numbers = np.arange(len(queries))
    best = np.empty((len(queries), 0), dtype=np.float32)
    found = np.empty((len(queries), 0), dtype=np.int64)
    start = 0
    for codes in rows.chunks(_CHUNK):
        near = _near(queries, codec.decode(codes), rows.metric)
        here = (places >= start) & (places < start + len(codes))
        near[numbers[here], places[here] - start] = -np.inf
        positions = np.broadcast_to(np.arange(start, start + len(codes)), near.shape)
        best, found = np.hstack([best, near]), np.hstack([found, positions])
        if best.shape[1] > count:
            kept = np.argpartition(-best, count - 1, axis=1)[:, :count]
            best = np.take_along_axis(best, kept, axis=1)
            found = np.take_along_axis(found, kept, axis=1)
        start += len(codes)
        progress.advance(len(codes))
    return found


def _near(queries: Vectors, vectors: Vectors, metric: Metric) -> Vectors:
    products: Vectors = queries @ vectors.T
    if metric is Metric.L2:  # but for the query's own length, which changes no order
        products = 2 * products - np.einsum("ij,ij->i", vectors, vectors)
    return products


def _nearness(rows: Rows, query: Vectors, positions: NDArray[np.int64]) -> Vectors:
    """Return how near some rows are to a query, as a flat scan would say, best first."""
    scores, _ = ann.rescored(query, rows.codes(positions), rows.metric)
    return _as_nearness(scores, rows.metric)


def _as_nearness(scores: Vectors, metric: Metric) -> Vectors:
    return scores if metric.higher_is_better else -scores
