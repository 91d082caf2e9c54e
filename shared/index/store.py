"""The index store over a folder.

`<root>/<collection id>/segments/<attempt>-<name>/{ids.i64,data.faiss,segment.json}`,
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
    Head,
    Ids,
    Manifest,
    Metric,
    Positions,
    Segment,
    Vectors,
)
from shared.errors import CorruptFile
from shared.index import codec, deletes, formats, layers, manifests, merging
from shared.index import segments as segment_files
from shared.index.files import DRAFT, Entry, Files
from shared.index.layers import Layer, Part
from shared.index.pool import Pool
from shared.index.segments import OpenSegment
from shared.index.snapshot import FolderSnapshot


class FolderIndexStore:
    """Writes and reads index files under a folder that all processes share. Decides nothing."""

    def __init__(self, root: Path, files: Files | None = None) -> None:
        self._files = files or Files(root)
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

    def merge(self, attempt: Attempt, segments: Sequence[Segment], metric: Metric) -> Segment:
        """Write one segment with the live vectors of several of one space, bit for bit.

        Raises:
            ValueError: several spaces, another metric, or nothing live.
            CorruptFile: a file is missing or damaged.
            IndexUnavailable: the disk is full or failed.
        """
        parts = [self._part(attempt.collection_id, segment) for segment in segments]
        return segment_files.write(self._files, attempt, merging.draft(parts, metric))

    def write_manifest(self, manifest: Manifest) -> tuple[str, str]:
        """Write a manifest, fsynced; return its file name and sha256.

        Raises:
            IndexUnavailable: the disk is full or failed.
        """
        folder = f"{manifest.collection_id}/manifests"
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
        key = f"{head.collection_id}/manifests/{manifests.checked_name(head)}"
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

    # --- for checks and garbage collection --------------------------------------------------

    def files_of(self, manifest: Manifest) -> Iterator[Path]:
        """Yield every file that *manifest* needs, its own excepted."""
        for segment in manifest.segments:
            folder = f"{segment_files.folder_of(manifest.collection_id)}/{segment.id}"
            for name in (segment_files.CARD, segment_files.IDS, segment_files.DATA):
                yield self._files.path(f"{folder}/{name}")
            if segment.deletes:
                yield self._files.path(_deletes_key(manifest.collection_id, segment.deletes.file))

    def listing(self, collection_id: int) -> list[Entry]:
        """Return every segment folder, delete set and manifest on disk, drafts too."""
        kinds = ("segments", "deletes", "manifests")
        return [entry for kind in kinds for entry in self._files.list(f"{collection_id}/{kind}")]

    def attempts_on_disk(self, collection_id: int) -> frozenset[str]:
        """Return the ids of all attempts that left something on disk."""
        found = (attempt_of(entry) for entry in self.listing(collection_id))
        return frozenset(attempt for attempt in found if attempt)

    # ----------------------------------------------------------------------------------------

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
        name = segment.deletes.file if segment.deletes else ""
        return deletes.read(self._files, _deletes_key(collection_id, name), segment)

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
        key = _deletes_key(manifest.collection_id, segment_files.new_name(attempt) + deletes.SUFFIX)
        written = deletes.write(self._files, key, rows=segment.rows, dead=dead)
        return replace(segment, deletes=written)


def attempt_of(entry: Entry) -> str | None:
    """Return the attempt that wrote *entry*; None if its name is none of ours."""
    name = entry.name.removesuffix(DRAFT)
    if entry.key.split("/")[-2] == "manifests":
        return manifests.attempt_of(name)
    attempt = name.removesuffix(deletes.SUFFIX).rpartition("-")[0]
    return attempt if formats.is_attempt(attempt) else None


def _deletes_key(collection_id: int, name: str) -> str:
    return f"{collection_id}/deletes/{name}"


def _of_live_space(manifest: Manifest) -> Iterator[Segment]:
    return (one for one in manifest.segments if one.space_id == manifest.space_id)


def _positions(rising: Ids, wanted: Ids) -> tuple[Ids, Ids]:
    """Find *wanted* ids: their positions in *rising*, and which of *wanted* are there."""
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    there = np.flatnonzero(rising[places] == wanted)
    return places[there], there
