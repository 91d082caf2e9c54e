"""The files of the index as such, for garbage collection and copies."""

from collections.abc import Iterator

from shared.domain import Head, Manifest, StoredEntry
from shared.index import inspection, manifests
from shared.index.files import Files


class StoredFiles:
    """What `IndexFiles` asks for, but for checks: these touch what a store has opened."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def entries(self, collection_id: int) -> list[StoredEntry]:
        """Return every segment folder, delete set and manifest there is, drafts too."""
        return inspection.entries(self._files, collection_id)

    def needed(self, manifest: Manifest) -> frozenset[str]:
        """Return the keys of the entries that *manifest* needs, its own excepted."""
        return inspection.needed(manifest)

    def manifest_key(self, head: Head) -> str:
        """Return the key of a version's manifest.

        Raises:
            CorruptFile: *head* names something else.
        """
        return manifests.key_of(head)

    def remove(self, key: str) -> None:
        """Remove an entry for good; nothing happens if there is none."""
        self._files.remove(key)

    def contents(self, key: str) -> list[tuple[str, int]]:
        """Return the files of an entry as (key, bytes).

        Raises:
            CorruptFile: missing.
        """
        return self._files.members(key)

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the content of a file as it is, unverified, in parts of about a megabyte.

        Raises:
            CorruptFile: missing.
        """
        return self._files.parts(key)

    def free_bytes(self) -> int | None:
        """Return the free space where the index lies; None where that has no meaning."""
        return self._files.free_bytes()
