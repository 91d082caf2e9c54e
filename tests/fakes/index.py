"""An index store in memory, in numpy: the same contract without files."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from shared.domain import (
    Attempt,
    Deletes,
    Head,
    Ids,
    IndexRule,
    Layout,
    Manifest,
    Metric,
    Policy,
    Segment,
    Vectors,
)
from shared.errors import CorruptFile
from shared.ports import Step


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

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> tuple[Vectors, Ids]:
        """Return the exact best *k* of each query by looking at every vector, *exact* or not."""
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

    @property
    def live(self) -> int:
        """Number of vectors that a search can find."""
        return len(self._ids)

    @property
    def own_bytes(self) -> int:
        """All of it is in memory."""
        return self._vectors.nbytes

    def among(self, ids: Ids) -> "MemorySnapshot":
        """Return the same version with only these of its live vectors."""
        kept = np.isin(self._ids, ids)
        return MemorySnapshot(self._manifest, self._ids[kept], self._vectors[kept])

    def vectors(self, ids: Ids) -> Vectors:
        """Return live vectors by id, in the order asked."""
        known = dict(zip(self._ids.tolist(), self._vectors, strict=True))
        missing = [one for one in ids.tolist() if one not in known]
        if missing:
            raise CorruptFile(f"Vector {missing[0]} is not live.")
        rows = [known[one] for one in ids.tolist()]
        return np.array(rows, dtype=np.float32).reshape(len(ids), self._manifest.dimension)


class MemoryIndexStore:
    """Keeps segments, delete sets and manifests in dictionaries; each is written once."""

    def __init__(self) -> None:
        self.segments: dict[str, tuple[Ids, Vectors]] = {}
        self.deletes: dict[str, frozenset[int]] = {}
        self.manifests: dict[tuple[int, str], tuple[str, Manifest]] = {}
        self._listed: dict[str, Segment] = {}
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
        return self._list(
            Segment(
                id=name,
                space_id=space_id,
                rows=len(ids),
                min_id=int(ids[0]),
                max_id=int(ids[-1]),
                bytes=vectors.size * 2 + len(ids) * 8,
                sha256=_sha(name),
                format=2,
            )
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
            after = self._with_dead(attempt, segment, dead) if dead != before else segment
            if after.live:
                kept.append(after)
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

    def merge(
        self,
        attempt: Attempt,
        segments: Sequence[Segment],
        metric: Metric,
        rule: IndexRule,
        step: Step,
    ) -> Segment:
        """Keep one segment with the live vectors of several, flat whatever the rule."""
        if len({segment.space_id for segment in segments}) != 1:
            raise ValueError("Only segments of one space can be merged.")
        live = [self._live(segment) for segment in segments]
        ids = np.concatenate([one for one, _ in live])
        vectors = np.concatenate([one for _, one in live])
        if not len(ids):
            raise ValueError("Nothing is live.")
        step(0, len(ids))
        order = np.argsort(ids)
        merged = self.write_segment(
            attempt,
            space_id=segments[0].space_id,
            metric=metric,
            ids=ids[order],
            vectors=vectors[order],
        )
        step(len(ids), len(ids))
        return self._list(_laid_flat(merged, rule))

    def copy(
        self,
        attempt: Attempt,
        segment: Segment,
        metric: Metric,
        *,
        without: Ids,
        rule: IndexRule,
        step: Step,
    ) -> Segment | None:
        """Keep a segment anew with all its vectors but some."""
        ids, vectors = self._segment(segment)
        kept = ~np.isin(ids, without)
        step(len(ids), len(ids))
        if not kept.any():
            return None
        copied = self.write_segment(
            attempt,
            space_id=segment.space_id,
            metric=metric,
            ids=ids[kept],
            vectors=vectors[kept],
        )
        return self._list(_laid_flat(copied, rule))

    def mark_dead(self, attempt: Attempt, segment: Segment, ids: Ids) -> Segment:
        """Return *segment* with exactly these of its ids dead."""
        dead = frozenset(ids.tolist()) & set(self._segment(segment)[0].tolist())
        if dead == self._dead(segment):
            return segment
        return self._with_dead(attempt, segment, dead) if dead else replace(segment, deletes=None)

    def segment(self, collection_id: int, name: str, sha256: str) -> Segment:
        """Return a segment as it was written."""
        found = self._listed.get(name)
        if found is None or found.sha256 != sha256:
            raise CorruptFile(f"{name}: missing or not what its checksum says.")
        return found

    def live_ids(self, collection_id: int, segments: Sequence[Segment]) -> Ids:
        """Return the live vector ids of these segments together, rising."""
        live = [self._live(segment)[0] for segment in segments]
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *live]))

    def all_ids(self, collection_id: int, segment: Segment) -> Ids:
        """Return every vector id of a segment, dead ones too, rising."""
        return self._segment(segment)[0]

    def open(self, manifest: Manifest) -> MemorySnapshot:
        """Open a version for searching."""
        live = [self._live(one) for one in manifest.segments if one.space_id == manifest.space_id]
        empty = np.empty((0, manifest.dimension), dtype=np.float32)
        ids = np.concatenate([np.empty(0, dtype=np.int64), *(one for one, _ in live)])
        return MemorySnapshot(manifest, ids, np.concatenate([empty, *(one for _, one in live)]))

    def _list(self, segment: Segment) -> Segment:
        self._listed[segment.id] = segment
        return segment

    def _segment(self, segment: Segment) -> tuple[Ids, Vectors]:
        if segment.id not in self.segments:
            raise CorruptFile(f"{segment.id}: missing.")
        return self.segments[segment.id]

    def _dead(self, segment: Segment) -> frozenset[int]:
        return self.deletes[segment.deletes.file] if segment.deletes else frozenset()

    def _with_dead(self, attempt: Attempt, segment: Segment, dead: frozenset[int]) -> Segment:
        name = f"{attempt.id}-{next(self._numbers)}.dead"
        self.deletes[name] = dead
        before = segment.deletes.since if segment.deletes else attempt.started_at
        deletes = Deletes(
            file=name,
            sha256=_sha(name),
            count=len(dead),
            since=min(before, attempt.started_at),
        )
        return replace(segment, deletes=deletes)

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


def _laid_flat(segment: Segment, rule: IndexRule) -> Segment:
    layout = Layout(policy=Policy.FLAT, rule=rule, spec="numpy", memory_bytes=segment.bytes)
    return replace(segment, layout=layout)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
