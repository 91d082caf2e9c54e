"""The index store over a folder.

`<root>/<collection id>/segments/<attempt>-<name>/{ids.i64,data.faiss,ann.faiss,segment.json}`,
`…/deletes/<attempt>-<name>.dead` and `…/manifests/<version>-<attempt>.json`.
The catalog holds a manifest's checksum, the manifest those of its segments' `segment.json` and
of its delete sets, and `segment.json` those of the other files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from shared.domain import (
    Attempt,
    Damage,
    Head,
    Ids,
    IndexRule,
    Manifest,
    Metric,
    Positions,
    Segment,
    Vectors,
)
from shared.errors import CorruptFile
from shared.index import cards, codec, deletes, inspection, layers, laying, manifests
from shared.index import segments as segment_files
from shared.index.files import Files
from shared.index.flat import Layer
from shared.index.layers import Part
from shared.index.local import LocalFiles
from shared.index.merging import Rows
from shared.index.pool import Pool
from shared.index.progress import Progress
from shared.index.segments import OpenSegment
from shared.index.snapshot import FolderSnapshot
from shared.index.stored import StoredFiles
from shared.ports import Step
from shared.settings import MergeSettings


class FolderIndexStore(StoredFiles):
    """Writes and reads index files under a folder that all processes share. Decides nothing."""

    def __init__(
        self, root: Path, files: Files | None = None, *, merge: MergeSettings | None = None
    ) -> None:
        """Keep files under *root*, or wherever *files* does; lay segments out as *merge* says."""
        super().__init__(files or LocalFiles(root))
        self._settings = merge or MergeSettings()
        self._segments: Pool[tuple[int, str, str], OpenSegment] = Pool()
        self._parts: Pool[tuple[int, str, str, str], Part] = Pool()
        self._coalesced: Pool[tuple[Part, ...], Layer] = Pool()

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: Vectors
    ) -> Segment:
        """Write vectors as fp16 with their rising ids; complete and fsynced on return.

        Raises:
            ValueError: shapes differ or are empty, ids do not rise, or fp16 cannot hold a value.
            IndexUnavailable: the disk is full or failed.
        """
        draft = segment_files.from_vectors(space_id, metric, ids, vectors)
        return segment_files.write(self._files, attempt, draft)

    def merge(
        self,
        attempt: Attempt,
        segments: Sequence[Segment],
        metric: Metric,
        rule: IndexRule,
        step: Step,
    ) -> Segment:
        """Write one segment with the live vectors of several of one space, bit for bit.

        It is laid out as *rule* and its size ask for; what misses the recall target is never
        written. *step* hears of vectors looked at and may raise to stop: nothing is left then.

        Raises:
            ValueError: several spaces, another metric, or nothing live.
            CorruptFile: a file is missing or damaged.
            IndexUnavailable: the disk is full or failed.
        """
        parts = [self._part(attempt.collection_id, segment) for segment in segments]
        return self._write(attempt, Rows(parts, metric), rule, step)

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
        """Write a segment anew with all its vectors, dead ones too, but *without* some.

        Laid out as by `merge`. The result has no delete set. None if nothing is left.

        Raises:
            ValueError: another metric.
            CorruptFile: a file is missing or damaged.
            IndexUnavailable: the disk is full or failed.
        """
        opened = self._opened(attempt.collection_id, segment)
        gone, _ = _positions(opened.ids, np.unique(without))
        part = Part(opened, gone.astype(np.uint32))
        return self._write(attempt, Rows([part], metric), rule, step) if part.live else None

    def write_manifest(self, manifest: Manifest) -> tuple[str, str]:
        """Write a manifest, fsynced; return its file name and sha256.

        Raises:
            IndexUnavailable: the disk is full or failed.
        """
        folder = manifests.folder_of(manifest.collection_id)
        repeat = 0
        # An attempt that was not sure of its file writes another: nothing is rewritten
        while self._files.taken(f"{folder}/{manifests.name_of(manifest, repeat)}"):
            repeat += 1
        name = manifests.name_of(manifest, repeat)
        stamp = self._files.new_file(f"{folder}/{name}", [manifests.dump(manifest)])
        return name, stamp.sha256

    def read_manifest(self, head: Head) -> Manifest:
        """Read and verify the manifest of a version.

        Raises:
            CorruptFile: missing, or not what the checksum says.
            IndexUnavailable: it cannot be read just now.
        """
        key = manifests.key_of(head)
        content = self._files.read(key, head.manifest_sha256, limit=manifests.LIMIT)
        return manifests.load(content, head, key)

    def with_deleted(self, manifest: Manifest, attempt: Attempt, ids: Ids) -> Manifest:
        """Return *manifest* with these vector ids dead, writing new delete sets (fsynced).

        Ids in no segment are ignored: they were deleted before. A segment with nothing live
        is left out. Reads ids only, no vectors.

        Raises:
            CorruptFile: a file is missing or damaged.
            IndexUnavailable: the disk is full or failed.
        """
        ids = np.unique(ids)
        kept = (self._without(manifest, segment, attempt, ids) for segment in manifest.segments)
        return replace(manifest, segments=tuple(segment for segment in kept if segment))

    def vectors(self, manifest: Manifest, ids: Ids) -> Vectors:
        """Return stored vectors by id, `(n, dimension)` float32, in the order asked.

        Dead ones too, as long as a segment of the live space holds them.

        Raises:
            CorruptFile: an id is in no segment, or a file is damaged.
        """
        codes = np.empty((len(ids), codec.code_bytes(manifest.dimension)), dtype=np.uint8)
        missing = np.ones(len(ids), dtype=bool)
        for segment in _of_live_space(manifest):
            asked = np.flatnonzero((ids >= segment.min_id) & (ids <= segment.max_id))
            if len(asked):
                opened = self._opened(manifest.collection_id, segment)
                segment_files.check_space(opened, manifest)
                positions, there = _positions(opened.ids, ids[asked])
                codes[asked[there]] = opened.codes[positions]
                missing[asked[there]] = False
        if missing.any():
            raise CorruptFile(
                f"Vector {ids[missing][0]} is in no segment of version {manifest.version} "
                f"of collection {manifest.collection_id}."
            )
        return codec.decode(codes)

    def mark_dead(self, attempt: Attempt, segment: Segment, ids: Ids) -> Segment:
        """Return *segment* with exactly these of its ids dead, writing a delete set if any.

        Ids that it does not hold are ignored.

        Raises:
            CorruptFile: a file is missing or damaged.
            IndexUnavailable: the disk is full or failed.
        """
        opened = self._opened(attempt.collection_id, segment)
        positions, _ = _positions(opened.ids, np.unique(ids))
        dead = positions.astype(np.uint32)
        if np.array_equal(dead, self._dead(attempt.collection_id, segment)):
            return segment
        if not len(dead):
            return replace(segment, deletes=None)
        return self._with_dead(attempt, segment, dead)

    def all_ids(self, collection_id: int, segment: Segment) -> Ids:
        """Return every vector id of a segment, dead ones too, rising.

        Raises:
            CorruptFile: a file is missing or damaged.
            IndexUnavailable: a file cannot be read just now.
        """
        return self._opened(collection_id, segment).ids

    def segment(self, collection_id: int, name: str, sha256: str) -> Segment:
        """Return a segment as manifests list it, without a delete set.

        Raises:
            CorruptFile: its `segment.json` is missing, or not what *sha256* says.
            IndexUnavailable: it cannot be read just now.
        """
        return cards.listed(self._files, collection_id, name, sha256)

    def live_ids(self, collection_id: int, segments: Sequence[Segment]) -> Ids:
        """Return the live vector ids of these segments together, rising, verified.

        Raises:
            CorruptFile: a file is missing or damaged.
            IndexUnavailable: a file cannot be read just now.
        """
        return layers.live_ids([self._part(collection_id, segment) for segment in segments])

    def open(self, manifest: Manifest) -> FolderSnapshot:
        """Open a version for searching; segments already open in this process are shared.

        Raises:
            CorruptFile: a file is missing or damaged. Nothing damaged is ever served.
            IndexUnavailable: a file cannot be read just now.
        """
        parts = []
        for segment in _of_live_space(manifest):
            part = self._part(manifest.collection_id, segment)
            segment_files.check_space(part.opened, manifest)
            if part.live:
                parts.append(part)
        mapped = [part.layer for part in parts if part.live >= layers.TINY]
        tiny = layers.group(part for part in parts if part.live < layers.TINY)
        copied = [self._coalesced.get(one, partial(layers.coalesce, one)) for one in tiny]
        return FolderSnapshot(manifest, parts, [*mapped, *copied])

    def check(self, manifest: Manifest, step: Step, *, known: set[str]) -> list[Damage]:
        """Read every file that *manifest* needs again, past any cache, and compare checksums.

        Also what they say with one another: counts, ids, sizes. *step* hears of vectors. Whoever
        opens a damaged segment next reads it again.

        Raises:
            IndexUnavailable: a file cannot be read just now.
        """
        damages = inspection.check(self._files, manifest, step, known)
        damaged = {damage.segment_id for damage in damages}
        self._segments.forget(lambda key: key[1] in damaged)
        self._parts.forget(lambda key: key[1] in damaged)
        return damages

    def _write(self, attempt: Attempt, rows: Rows, rule: IndexRule, step: Step) -> Segment:
        progress = Progress(step)
        progress.expect(len(rows))
        laid = laying.lay_out(rows, rule, self._settings, progress)
        return segment_files.write(self._files, attempt, laying.draft(rows, laid, progress))

    def _opened(self, collection_id: int, segment: Segment) -> OpenSegment:
        return self._segments.get(
            (collection_id, segment.id, segment.sha256),
            lambda: OpenSegment(self._files, collection_id, segment),
        )

    def _part(self, collection_id: int, segment: Segment) -> Part:
        dead = segment.deletes.sha256 if segment.deletes else ""
        return self._parts.get(
            (collection_id, segment.id, segment.sha256, dead),
            lambda: Part(self._opened(collection_id, segment), self._dead(collection_id, segment)),
        )

    def _dead(self, collection_id: int, segment: Segment) -> Positions:
        return deletes.read(self._files, deletes.key_of(collection_id, segment), segment)

    def _without(
        self, manifest: Manifest, segment: Segment, attempt: Attempt, ids: Ids
    ) -> Segment | None:
        first, end = np.searchsorted(ids, (segment.min_id, segment.max_id + 1))
        if first == end:
            return segment
        opened = self._opened(manifest.collection_id, segment)
        positions, _ = _positions(opened.ids, ids[first:end])
        before = self._dead(manifest.collection_id, segment)
        dead = np.union1d(before, positions.astype(np.uint32))
        if len(dead) == segment.rows:
            return None
        if len(dead) == len(before):
            return segment
        return self._with_dead(attempt, segment, dead)

    def _with_dead(self, attempt: Attempt, segment: Segment, dead: Positions) -> Segment:
        before = segment.deletes
        since = min(before.since, attempt.started_at) if before else attempt.started_at
        name = segment_files.new_name(attempt) + deletes.SUFFIX
        key = f"{deletes.folder_of(attempt.collection_id)}/{name}"
        written = deletes.write(self._files, key, rows=segment.rows, dead=dead, since=since)
        return replace(segment, deletes=written)


def _of_live_space(manifest: Manifest) -> Iterator[Segment]:
    return (one for one in manifest.segments if one.space_id == manifest.space_id)


def _positions(rising: Ids, wanted: Ids) -> tuple[Ids, Ids]:
    """Find *wanted* ids: their positions in *rising*, and which of *wanted* are there."""
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    there = np.flatnonzero(rising[places] == wanted)
    return places[there], there
