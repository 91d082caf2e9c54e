"""What the use cases ask of the index."""

from collections.abc import Sequence
from typing import Protocol

from shared.domain import Attempt, Head, Ids, Manifest, Metric, Segment, Vectors


class Snapshot(Protocol):
    """The opened segments of one version. Safe for many threads; never changes."""

    @property
    def manifest(self) -> Manifest:
        """The version it shows."""
        ...

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Return the exact best *k* live vectors of each query, best first, ties by id.

        Args:
            queries: `(n, dimension)` float32.
            k: at least 1.

        Returns:
            scores and vector ids, both `(n, m)` where m = min(k, live vectors). Cosine and
            inner product: higher is better. L2: the Euclidean distance, not squared.
        """
        ...

    def ids(self) -> Ids:
        """Return the live vector ids, rising."""
        ...


class IndexStore(Protocol):
    """Immutable files: segments, delete sets, manifests. Decides nothing.

    Every method may raise `IndexUnavailable` (disk full, I/O error); whatever was written by
    then is invisible, since only a committed manifest makes a file part of the index.
    """

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: Vectors
    ) -> Segment:
        """Write vectors as fp16 with their rising ids; complete and fsynced on return."""
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

        Ids in no segment are ignored: they were deleted before.
        """
        ...

    def vectors(self, manifest: Manifest, ids: Ids) -> Vectors:
        """Return stored vectors by id, `(n, dimension)` float32, in the order asked.

        Raises:
            CorruptFile: an id is in no segment, or a file is damaged.
        """
        ...

    def merge(self, attempt: Attempt, segments: Sequence[Segment], metric: Metric) -> Segment:
        """Write one segment with the live vectors of several of one space (at least one live)."""
        ...

    def live_ids(self, collection_id: int, segments: Sequence[Segment]) -> Ids:
        """Return the live vector ids of these segments together, rising."""
        ...

    def open(self, manifest: Manifest) -> Snapshot:
        """Open a version for searching; segments already open in this process are shared.

        Raises:
            CorruptFile: a file is missing or damaged. Nothing damaged is ever served.
        """
        ...
