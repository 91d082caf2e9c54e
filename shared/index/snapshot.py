"""Snapshots: the opened segments of one version."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from shared.domain import Ids, Manifest, Metric, Vectors
from shared.errors import CorruptFile
from shared.index import codec, flat
from shared.index.approximate import ApproximateLayer, ChosenLayer
from shared.index.flat import Layer
from shared.index.layers import Part, coalesce, live_ids

LARGEST_QUERY = 1e15
"""Largest value of a query: its products with fp16 values still fit float32."""

_ROUNDING = 1e-3
"""How far fp16 at rest may move the cosine of two unit vectors past 1, amply."""


class FolderSnapshot:
    """One version, mapped. Safe for many threads; frees its files when nobody holds it."""

    def __init__(
        self,
        manifest: Manifest,
        parts: Sequence[Part],
        layers: Sequence[Layer | ApproximateLayer | ChosenLayer],
        *,
        copied_bytes: int = 0,
    ) -> None:
        self._manifest = manifest
        self._parts = tuple(parts)
        self._layers = tuple(layers)
        self._live = sum(part.live for part in parts)
        self._copied_bytes = copied_bytes

    @property
    def manifest(self) -> Manifest:
        """The version it shows."""
        return self._manifest

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> tuple[Vectors, Ids]:
        """Return the best *k* live vectors of each query, best first, ties by id.

        Exact where segments are flat; elsewhere as good as their layouts, whose scores are the
        same to the last bit. Where a layout cuts between equal scores, any of them may be there.

        Args:
            queries: `(n, dimension)`.
            k: at least 1.
            exact: look at every vector.

        Returns:
            scores (float32) and vector ids, both `(n, m)` where m = min(k, live vectors).
            Cosine and inner product: higher is better. L2: the Euclidean distance.

        Raises:
            ValueError: another shape, a value that is not finite or very large, or k < 1.
        """
        queries = self._checked(queries, k)
        layers = [layer.exact if exact else layer for layer in self._layers]
        if not layers or not len(queries):
            return flat.empty(len(queries), min(k, self._live))
        found = [layer.search(queries, k) for layer in layers]
        scores = np.hstack([one for one, _ in found])
        ids = np.hstack([one for _, one in found])
        metric = self._manifest.metric
        best = np.lexsort((ids, -scores if metric.higher_is_better else scores))
        rows, best = np.arange(len(queries))[:, None], best[:, : min(k, self._live)]
        return _reported(scores[rows, best], metric), ids[rows, best]

    def ids(self) -> Ids:
        """Return the live vector ids, rising."""
        return live_ids(self._parts)

    @property
    def live(self) -> int:
        """Number of vectors that a search can find."""
        return self._live

    @property
    def own_bytes(self) -> int:
        """About how much memory it takes besides the mapped files."""
        return self._copied_bytes + sum(5 * part.opened.card.rows for part in self._parts)

    def among(self, ids: Ids) -> Self:
        """Return the same version with only those of its live vectors whose ids are given, rising.

        Few of a segment are copied and looked at one by one, which is exact; of many, its layout
        is asked for more, and the others are left out. Scores are the same to the last bit.
        """
        chosen = [part.among(ids) for part in self._parts]
        chosen = [part for part in chosen if part.live]
        few = [part for part in chosen if part.is_few]
        layers = [part.layer for part in chosen if not part.is_few]
        copied_bytes = sum(part.live for part in few) * (
            codec.code_bytes(self._manifest.dimension) + 8
        )
        return type(self)(
            self._manifest,
            chosen,
            [*layers, coalesce(few)] if few else layers,
            copied_bytes=copied_bytes,
        )

    def vectors(self, ids: Ids) -> Vectors:
        """Return live vectors by id, `(n, dimension)` float32, in the order asked.

        Raises:
            CorruptFile: an id is not live in this version.
        """
        codes = np.empty((len(ids), codec.code_bytes(self._manifest.dimension)), dtype=np.uint8)
        missing = np.ones(len(ids), dtype=bool)
        for part in self._parts:
            positions = np.searchsorted(part.opened.ids, ids)
            positions = np.minimum(positions, len(part.opened.ids) - 1)
            there = (part.opened.ids[positions] == ids) & ~np.isin(positions, part.dead)
            codes[there] = part.opened.codes[positions[there]]
            missing &= ~there
        if missing.any():
            raise CorruptFile(
                f"Vector {ids[missing][0]} is not live in version {self._manifest.version}."
            )
        return codec.decode(codes)

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
    if metric is Metric.COSINE and scores.size and np.abs(scores).max() > 1:
        past = (np.abs(scores) > 1) & (np.abs(scores) < 1 + _ROUNDING)
        return np.where(past, np.sign(scores), scores)
    return scores
