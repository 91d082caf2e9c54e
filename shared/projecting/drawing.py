"""Draw vectors on a plane, and group them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.domain import Ids, Metric, Projection, Vectors
from shared.ports import Clusterer
from shared.projecting import tsne
from shared.projecting.components import Components, principal_components

COMPONENTS = 50
"""Of the principal components, what neighbours are found by: enough for text, and without noise."""
PERPLEXITY = 30.0
_FEW = 10
"""Points that have too few neighbours to lay them out by."""
_PER_CLUSTER = 3
MOST_CLUSTERS = 10
"""As many as there are colours that can be told apart."""
_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Some of the vectors of a version."""

    ids: Ids
    """Rising."""
    vectors: Vectors
    """`(n, dimension)`, n at least 1."""
    of: int
    """Live vectors of the version."""
    metric: Metric


def draw(
    sample: Sample, clusterer: Clusterer, *, seed: int, step: Callable[[int, int], None]
) -> Projection:
    """Return a place and a cluster for each vector of *sample*.

    Principal components, and from these t-SNE; of a few points the components alone. The same
    sample and seed always give the same map, on one kind of machine.

    Args:
        sample: what to draw.
        clusterer: groups vectors.
        seed: of where clusters begin.
        step: hears of the work as (done, all) and may raise to stop.
    """
    vectors = _as_compared(sample)
    parts = principal_components(vectors, COMPONENTS)
    if len(vectors) < _FEW or not parts.points.any():
        places, explained = _flat(parts), principal_components(vectors, 2).explained
        method, settings = "pca", {"components": 2.0}
    else:
        perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
        places = tsne.lay_out(_at_least_two(parts), perplexity=perplexity, step=step)
        method, explained = "pca+tsne", parts.explained
        settings = {
            "components": float(parts.points.shape[1]),
            "perplexity": round(perplexity, 2),
            "iterations": float(tsne.ITERATIONS),
        }
    return Projection(
        method=method,
        explained=round(explained, _DIGITS),
        settings=settings,
        vectors=sample.of,
        ids=tuple(map(int, sample.ids)),
        places=_scaled(places),
        clusters=_clusters(vectors, sample.metric, clusterer, seed),
    )


def _as_compared(sample: Sample) -> Vectors:
    """Return vectors as their metric compares them: of unit length for cosine similarity."""
    if sample.metric is not Metric.COSINE:
        return sample.vectors
    lengths = np.linalg.norm(sample.vectors, axis=1, keepdims=True)
    return np.asarray(sample.vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _at_least_two(parts: Components) -> Vectors:
    missing = max(0, 2 - parts.points.shape[1])
    return np.pad(parts.points, ((0, 0), (0, missing)))


def _flat(parts: Components) -> Vectors:
    return _at_least_two(parts)[:, :2]


def _scaled(places: Vectors) -> tuple[tuple[float, float], ...]:
    """Return places between -1 and 1, the shape unchanged."""
    widest = float(np.abs(places).max()) or 1.0
    return tuple(
        (round(float(x) / widest, _DIGITS), round(float(y) / widest, _DIGITS)) for x, y in places
    )


def _clusters(vectors: Vectors, metric: Metric, clusterer: Clusterer, seed: int) -> tuple[int, ...]:
    """Return a cluster for each vector, the largest one being 0."""
    count = min(MOST_CLUSTERS, max(1, round(math.sqrt(len(vectors) / _PER_CLUSTER))))
    found = clusterer(vectors, count, spherical=metric is Metric.COSINE, seed=seed)
    sizes = np.bincount(found, minlength=count)
    rank = np.empty(count, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return tuple(map(int, rank[found]))
