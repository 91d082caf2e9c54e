"""Snapshots: the opened segments of one version."""

from collections.abc import Sequence

import numpy as np

from shared.domain import Ids, Manifest, Metric, Vectors
from shared.index.layers import Layer, Part, live_ids

LARGEST_QUERY = 1e15
"""Largest value of a query: its products with fp16 values still fit float32."""

_ROUNDING = 1e-3
"""How far fp16 at rest may move the cosine of two unit vectors past 1, amply."""


class FolderSnapshot:
    """One version, mapped. Safe for many threads; frees its files when nobody holds it."""

    def __init__(self, manifest: Manifest, parts: Sequence[Part], layers: Sequence[Layer]) -> None:
        self._manifest = manifest
        self._parts = tuple(parts)
        self._layers = tuple(layers)
        self._live = sum(part.live for part in parts)

    @property
    def manifest(self) -> Manifest:
        """The version it shows."""
        return self._manifest

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Return the exact best *k* live vectors of each query, best first, ties by id.

        Args:
            queries: `(n, dimension)`.
            k: at least 1.

        Returns:
            scores (float32) and vector ids, both `(n, m)` where m = min(k, live vectors).
            Cosine and inner product: higher is better. L2: the Euclidean distance.

        Raises:
            ValueError: another shape, a value that is not finite or very large, or k < 1.
        """
        queries = self._checked(queries, k)
        found = [layer.search(queries, k) for layer in self._layers]
        if not found or not len(queries):
            shape = len(queries), min(k, self._live)
            return np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int64)
        scores = np.concatenate([one for one, _ in found], axis=1)
        ids = np.concatenate([one for _, one in found], axis=1)
        metric = self._manifest.metric
        best = np.lexsort((ids, -scores if metric.higher_is_better else scores))
        best = best[:, : min(k, self._live)]
        scores = np.take_along_axis(scores, best, axis=1)
        return _reported(scores, metric), np.take_along_axis(ids, best, axis=1)

    def ids(self) -> Ids:
        """Return the live vector ids, rising."""
        return live_ids(self._parts)

    def _checked(self, queries: Vectors, k: int) -> Vectors:
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._manifest.dimension:  # noqa: PLR2004
            wanted = f"(n, {self._manifest.dimension})"
            raise ValueError(f"Queries have the shape {queries.shape}, not {wanted}.")
        if not (np.abs(queries) <= LARGEST_QUERY).all():  # false for NaN as well
            raise ValueError(f"A query is not finite or passes {LARGEST_QUERY:g}.")
        if k < 1:
            raise ValueError(f"k is {k}; it must be at least 1.")
        return queries


def _reported(scores: Vectors, metric: Metric) -> Vectors:
    """Return FAISS's scores in the terms that `Metric.meaning` promises."""
    if metric is Metric.L2:
        return np.sqrt(np.maximum(scores, 0))
    if metric is Metric.COSINE:
        past = (np.abs(scores) > 1) & (np.abs(scores) < 1 + _ROUNDING)
        return np.where(past, np.sign(scores), scores)
    return scores
