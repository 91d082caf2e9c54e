"""What the use cases ask of the catalog about kept versions.

Any call may raise `CatalogUnavailable`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import (
    ArchivedDocument,
    AttemptStanding,
    Ids,
    KeptVersion,
    VersionDiff,
)


class Versions(Protocol):
    """Kept versions: their names, their leases, how they differ, and their end."""

    def tag(self, collection_id: int, version: int, name: str) -> None:
        """Name a version; a name of this collection that is taken moves to it.

        Raises:
            VersionNotFound, VersionExpired
            InvalidRequest: the name is not 1 to 100 of letters, digits, `.`, `_`, `-`, beginning
                with a letter, so that it cannot be taken for a number.
        """
        ...

    def untag(self, collection_id: int, name: str) -> None:
        """Take a name away.

        Raises:
            TagNotFound: the collection has no such tag.
        """
        ...

    def tagged(self, collection_id: int, name: str) -> int:
        """Return the version that a tag names.

        Raises:
            TagNotFound: the collection has no such tag.
        """
        ...

    def hold(self, collection_id: int, version: int, holder: str, seconds: float) -> None:
        """Lease a version: until the lease ends it does not expire. Again renews it.

        Raises:
            VersionNotFound: never published.
            VersionExpired: it has expired already.
        """
        ...

    def release(self, collection_id: int, version: int, holder: str) -> None:
        """End a lease early; nothing happens if there is none."""
        ...

    def kept(self, collection_id: int) -> Sequence[KeptVersion]:
        """Return every version but 0 whose files may still be there, oldest first.

        These are the live ones, and expired ones that `bury` was not told of.
        """
        ...

    def expire(self, collection_id: int, versions: Sequence[int]) -> Sequence[int]:
        """Let versions go; return those that went.

        In one transaction: the head, and tagged or leased versions, stay whatever was asked.
        """
        ...

    def bury(self, collection_id: int, versions: Sequence[int]) -> None:
        """Say that the files of these expired versions are removed."""
        ...

    def forget(self, collection_id: int, *, limit: int) -> int:
        """Erase the text, metadata and chunks of revisions that no kept version holds.

        Of at most *limit* finished ones; returns how many. Their state, errors and jobs stay.
        A failed revision keeps its text while it is the newest of its document.
        """
        ...

    def diff(
        self, collection_id: int, before: int, after: int, *, limit: int, cursor: str | None
    ) -> VersionDiff:
        """Compare the documents of two versions.

        Raises:
            VersionNotFound, VersionExpired
        """
        ...

    def live_vectors(self, collection_id: int, version: int) -> Ids:
        """Return the vector ids that the catalog holds live at a version, rising."""
        ...

    def segments_at(self, collection_id: int, version: int) -> Mapping[str, str]:
        """Return id and sha256 of the segments that a version lists, for a lost manifest.

        From the catalog's mirror of the manifests: after a restore there may be some too many.
        """
        ...

    def vectors_of(self, collection_id: int, external_id: str) -> Ids:
        """Return every vector id of a document, of all its revisions, rising.

        Where the chunks of a revision are forgotten, with all ids that its attempt reserved
        and that belong to nothing any more.

        Raises:
            DocumentNotFound: no document of the collection has this id.
        """
        ...

    def passages_of(self, vector_ids: Sequence[int]) -> Mapping[int, tuple[str, str, int, int]]:
        """Return title, text, start and end of the passages behind vectors, to encode anew.

        Unknown vectors, and those whose text was forgotten, are missing.
        """
        ...

    def documents_at(
        self, collection_id: int, version: int, *, after: str | None, limit: int
    ) -> Sequence[ArchivedDocument]:
        """Return documents as a version holds them, by id, those with ids above *after*."""
        ...

    def attempts(self, attempt_ids: Sequence[str]) -> Mapping[str, AttemptStanding]:
        """Return what became of these attempts; unknown ones are missing.

        An active attempt of a claim is working while the claim is active; of a chore (its
        worker holds an active chore of the collection) while that is; any other for an hour.
        """
        ...

    def revoke(self, attempt_id: str) -> bool:
        """Fence off an active attempt; whether it was (false: it has ended meanwhile)."""
        ...
