"""What the use cases ask of the index."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from shared.domain import (
    Attempt,
    Damage,
    Head,
    Ids,
    IndexRule,
    Manifest,
    Metric,
    Segment,
    StoredEntry,
    Vectors,
)

Step: TypeAlias = Callable[[int, int], None]
"""Called now and then by long work with (done, total); it may raise to stop the work."""


class Snapshot(Protocol):
    """The opened segments of one version. Safe for many threads; never changes."""

    @property
    def manifest(self) -> Manifest:
        """The version it shows."""
        ...

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> tuple[Vectors, Ids]:
        """Return the best *k* live vectors of each query, best first, ties by id.

        Exact where segments are flat; elsewhere as good as their measured recall, unless
        *exact* asks for every vector to be looked at. Scores are always those of the fp16
        vectors, whatever a segment's layout.

        Args:
            queries: `(n, dimension)` float32.
            k: at least 1.
            exact: look at every vector.

        Returns:
            scores and vector ids, both `(n, m)` where m = min(k, live vectors). Cosine and
            inner product: higher is better. L2: the Euclidean distance, not squared.
        """
        ...

    def ids(self) -> Ids:
        """Return the live vector ids, rising."""
        ...

    @property
    def live(self) -> int:
        """Number of vectors that a search can find."""
        ...

    @property
    def own_bytes(self) -> int:
        """About how much memory it takes besides the mapped files."""
        ...

    def among(self, ids: Ids) -> "Snapshot":
        """Return the same version with only those of its live vectors whose ids are given, rising.

        Exact where segments are flat or few of them remain; else as good as their layouts.
        """
        ...

    def vectors(self, ids: Ids) -> Vectors:
        """Return live vectors by id, `(n, dimension)` float32, in the order asked.

        Raises:
            CorruptFile: an id is not live in this version.
        """
        ...


class IndexStore(Protocol):
    """Immutable files: segments, delete sets, manifests. Decides nothing about versions.

    Every method may raise `IndexUnavailable` (disk full, I/O error); whatever was written by
    then is invisible, since only a committed manifest makes a file part of the index.
    """

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: Vectors
    ) -> Segment:
        """Write vectors as fp16 with their rising ids, flat; complete and fsynced on return."""
        ...

    def write_manifest(self, manifest: Manifest) -> tuple[str, str]:
        """Write a manifest, fsynced; return its file name and sha256."""
        ...

    def read_manifest(self, head: Head) -> Manifest:
        """Read and verify the manifest of a version.

        Raises:
            CorruptFile: missing, or not what the checksum says.
        """
        ...

    def with_deleted(self, manifest: Manifest, attempt: Attempt, ids: Ids) -> Manifest:
        """Return *manifest* with these vector ids dead, writing new delete sets (fsynced).

        Ids in no segment are ignored: they were deleted before. A segment with nothing live is
        left out. The time of death is the attempt's start.
        """
        ...

    def vectors(self, manifest: Manifest, ids: Ids) -> Vectors:
        """Return stored vectors by id, `(n, dimension)` float32, in the order asked.

        Raises:
            CorruptFile: an id is in no segment, or a file is damaged.
        """
        ...

    def merge(
        self,
        attempt: Attempt,
        segments: Sequence[Segment],
        metric: Metric,
        rule: IndexRule,
        step: Step,
    ) -> Segment:
        """Write one segment with the live vectors of several of one space (at least one live).

        It is laid out as *rule* and its size ask for. A layout that misses the recall target
        on sampled vectors is never written: the next best one is, and flat at last.
        """
        ...

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

        Codes are copied bit for bit. The result has no delete set. None if nothing is left.
        """
        ...

    def mark_dead(self, attempt: Attempt, segment: Segment, ids: Ids) -> Segment:
        """Return *segment* with exactly these of its ids dead, writing a delete set if any."""
        ...

    def live_ids(self, collection_id: int, segments: Sequence[Segment]) -> Ids:
        """Return the live vector ids of these segments together, rising."""
        ...

    def segment(self, collection_id: int, name: str, sha256: str) -> Segment:
        """Return a segment as manifests list it, without a delete set, from its id and checksum.

        Raises:
            CorruptFile: its description is missing, or not what the checksum says.
        """
        ...

    def all_ids(self, collection_id: int, segment: Segment) -> Ids:
        """Return every vector id of a segment, dead ones too, rising."""
        ...

    def open(self, manifest: Manifest) -> Snapshot:
        """Open a version for searching; segments already open in this process are shared.

        Raises:
            CorruptFile: a file is missing or damaged. Nothing damaged is ever served.
        """
        ...


class Disk(Protocol):
    """A place that can become full."""

    def free_bytes(self) -> int | None:
        """Return the space that is free; None where that has no meaning."""
        ...


class IndexFiles(Protocol):
    """The files of the index as such: for garbage collection, checks, and copies."""

    def entries(self, collection_id: int) -> Sequence[StoredEntry]:
        """Return every segment folder, delete set and manifest there is, drafts too."""
        ...

    def needed(self, manifest: Manifest) -> frozenset[str]:
        """Return the keys of the entries that *manifest* needs, its own excepted."""
        ...

    def manifest_key(self, head: Head) -> str:
        """Return the key of a version's manifest."""
        ...

    def remove(self, key: str) -> None:
        """Remove an entry for good; nothing happens if there is none."""
        ...

    def check(self, manifest: Manifest, step: Step, *, known: set[str]) -> Sequence[Damage]:
        """Read every file that *manifest* needs again, past any cache, and compare checksums.

        Also compares counts, ids and sizes with what the manifest says. Entries in *known* are
        not read again; those read are added to it. What is damaged is forgotten by the store:
        whoever opens it next reads it again.
        """
        ...

    def contents(self, key: str) -> Sequence[tuple[str, int]]:
        """Return the files of an entry as (key, bytes)."""
        ...

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the content of a file as it is, in parts, for a copy that checks it itself."""
        ...

    def free_bytes(self) -> int | None:
        """Return the free space where the index lies; None where that has no meaning."""
        ...
