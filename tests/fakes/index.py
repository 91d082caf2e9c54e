"""An index store in memory, in numpy: the same contract without files."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from shared.domain import Attempt, Deletes, Head, Ids, Manifest, Metric, Segment, Vectors
from shared.errors import CorruptFile


class MemorySnapshot:
    """One version as two arrays."""

    def __init__(self, manifest: Manifest, ids: Ids, vectors: Vectors) -> None:
        self._manifest = manifest
        self._ids = ids
        self._vectors = vectors

    @property
    def manifest(self) -> Manifest:
        """The version it shows."""
        return self._manifest

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Return the exact best *k* of each query by looking at every vector."""
        if k < 1 or queries.ndim != 2 or queries.shape[1] != self._manifest.dimension:
            raise ValueError("k or the shape of the queries is wrong.")
        if not np.isfinite(queries).all():
            raise ValueError("A query is not finite.")
        scores = scores_of(self._vectors, queries, self._manifest.metric)
        best_first = -scores if self._manifest.metric.higher_is_better else scores
        ids = np.broadcast_to(self._ids, scores.shape)
        order = np.lexsort((ids, best_first))[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)

    def ids(self) -> Ids:
        """Return the live vector ids, rising."""
        return np.sort(self._ids)


class MemoryIndexStore:
    """Keeps segments, delete sets and manifests in dictionaries; each is written once."""

    def __init__(self) -> None:
        self.segments: dict[str, tuple[Ids, Vectors]] = {}
        self.deletes: dict[str, frozenset[int]] = {}
        self.manifests: dict[tuple[int, str], tuple[str, Manifest]] = {}
        self._numbers = count(1)

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: Vectors
    ) -> Segment:
        """Keep vectors as fp16 with their rising ids."""
        if not len(ids) or ids.shape != vectors.shape[:1] or (np.diff(ids) <= 0).any():
            raise ValueError("Ids must rise and fit the vectors.")
        if not (np.abs(vectors) <= 65504).all():
            raise ValueError("fp16 cannot hold a vector.")
        name = f"{attempt.id}-{next(self._numbers)}"
        self.segments[name] = ids.copy(), vectors.astype(np.float16).astype(np.float32)
        return Segment(
            id=name,
            space_id=space_id,
            rows=len(ids),
            min_id=int(ids[0]),
            max_id=int(ids[-1]),
            bytes=vectors.size * 2 + len(ids) * 8,
            sha256=_sha(name),
        )

    def write_manifest(self, manifest: Manifest) -> tuple[str, str]:
        """Keep a manifest; return its name and checksum."""
        name = f"{manifest.version:012d}-{manifest.attempt_id}.json"
        sha = _sha(repr(manifest))
        self.manifests[manifest.collection_id, name] = sha, manifest
        return name, sha

    def read_manifest(self, head: Head) -> Manifest:
        """Return the manifest of a version."""
        sha, manifest = self.manifests.get((head.collection_id, head.manifest_file), ("", None))
        if manifest is None or sha != head.manifest_sha256 or manifest.version != head.version:
            raise CorruptFile(f"{head.manifest_file}: missing or not what its checksum says.")
        return manifest

    def with_deleted(self, manifest: Manifest, attempt: Attempt, ids: Ids) -> Manifest:
        """Return *manifest* with these ids dead; segments with nothing live are left out."""
        kept = []
        for segment in manifest.segments:
            before = self._dead(segment)
            dead = before | (set(ids.tolist()) & set(self._segment(segment)[0].tolist()))
            if dead != before:
                name = f"{attempt.id}-{next(self._numbers)}.dead"
                self.deletes[name] = dead
                deletes = Deletes(file=name, sha256=_sha(name), count=len(dead))
                segment = replace(segment, deletes=deletes)  # noqa: PLW2901
            if segment.live:
                kept.append(segment)
        return replace(manifest, segments=tuple(kept))

    def vectors(self, manifest: Manifest, ids: Ids) -> Vectors:
        """Return stored vectors by id, in the order asked."""
        known: dict[int, Vectors] = {}
        for segment in manifest.segments:
            if segment.space_id == manifest.space_id:
                its_ids, its_vectors = self._segment(segment)
                known.update(zip(its_ids.tolist(), its_vectors, strict=True))
        missing = [one for one in ids.tolist() if one not in known]
        if missing:
            raise CorruptFile(f"Vector {missing[0]} is in no segment.")
        rows = [known[one] for one in ids.tolist()]
        return np.array(rows, dtype=np.float32).reshape(len(ids), manifest.dimension)

    def merge(self, attempt: Attempt, segments: Sequence[Segment], metric: Metric) -> Segment:
        """Keep one segment with the live vectors of several."""
        if len({segment.space_id for segment in segments}) != 1:
            raise ValueError("Only segments of one space can be merged.")
        live = [self._live(segment) for segment in segments]
        ids = np.concatenate([one for one, _ in live])
        vectors = np.concatenate([one for _, one in live])
        order = np.argsort(ids)
        return self.write_segment(
            attempt,
            space_id=segments[0].space_id,
            metric=metric,
            ids=ids[order],
            vectors=vectors[order],
        )

    def live_ids(self, collection_id: int, segments: Sequence[Segment]) -> Ids:
        """Return the live vector ids of these segments together, rising."""
        live = [self._live(segment)[0] for segment in segments]
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *live]))

    def open(self, manifest: Manifest) -> MemorySnapshot:
        """Open a version for searching."""
        live = [self._live(one) for one in manifest.segments if one.space_id == manifest.space_id]
        empty = np.empty((0, manifest.dimension), dtype=np.float32)
        ids = np.concatenate([np.empty(0, dtype=np.int64), *(one for one, _ in live)])
        return MemorySnapshot(manifest, ids, np.concatenate([empty, *(one for _, one in live)]))

    def _segment(self, segment: Segment) -> tuple[Ids, Vectors]:
        if segment.id not in self.segments:
            raise CorruptFile(f"{segment.id}: missing.")
        return self.segments[segment.id]

    def _dead(self, segment: Segment) -> frozenset[int]:
        return self.deletes[segment.deletes.file] if segment.deletes else frozenset()

    def _live(self, segment: Segment) -> tuple[Ids, Vectors]:
        ids, vectors = self._segment(segment)
        alive = ~np.isin(ids, list(self._dead(segment)))
        return ids[alive], vectors[alive]


def scores_of(vectors: Vectors, queries: Vectors, metric: Metric) -> Vectors:
    """Return the score of every vector for every query, `(queries, vectors)` float32."""
    if metric is Metric.L2:
        apart = queries[:, None, :].astype(np.float64) - vectors[None, :, :]
        distances: Vectors = np.sqrt((apart**2).sum(axis=2)).astype(np.float32)
        return distances
    products = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    if metric is Metric.COSINE:
        products = np.where(np.abs(products) < 1.001, np.clip(products, -1, 1), products)
    scores: Vectors = products.astype(np.float32)
    return scores


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
