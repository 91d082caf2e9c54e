"""What collections are called, and what becomes of them once they are deleted.

Any call may raise `CatalogUnavailable`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import Collection, DeletedCollection


class Names(Protocol):
    """Names and aliases; no two collections or aliases share one."""

    def rename(self, name: str, new: str) -> Collection:
        """Call a collection something else; its id, versions and aliases stay.

        Raises:
            InvalidRequest: *new* is no name.
            CollectionNotFound: there is no such collection.
            CollectionExists: *new* is taken.
        """
        ...

    def aliases(self) -> Mapping[str, str]:
        """Return every alias and the name of the collection it leads to, by name."""
        ...

    def point(self, aliases: Mapping[str, str | None]) -> None:
        """Make, move and (None) remove aliases, all in one transaction.

        Raises:
            InvalidRequest: an alias is no name, or is to lead to an alias.
            CollectionNotFound: one is to lead nowhere.
            CollectionExists: a collection is called like one.
        """
        ...


class Discards(Protocol):
    """Collections that are deleted: hidden at once, removed later, to be recovered until then."""

    def discard(self, name: str) -> DeletedCollection:
        """Delete a collection; its name is free at once.

        Claims that hold documents of it are taken away, and attempts to publish into it are
        revoked. What waits of it goes on waiting, should it be recovered.

        Raises:
            CollectionNotFound: there is none.
            CollectionInUse: an alias leads to it.
        """
        ...

    def discarded(self) -> Sequence[DeletedCollection]:
        """Return the collections that can be recovered, those deleted last first."""
        ...

    def recover(self, name: str, *, new: str | None, collection_id: int | None) -> Collection:
        """Undo a delete: of the collection of that name that was deleted last, or the one meant.

        Args:
            name: what it was called.
            new: what it shall be called; None for the same.
            collection_id: which, of several.

        Raises:
            CollectionNotFound: none of this name can be recovered.
            CollectionExists: the name is taken.
        """
        ...

    def doom(self, *, older_than_seconds: float) -> Sequence[int]:
        """End the time in which collections can be recovered that were deleted so long ago.

        Return the ids of all for which it has ended: what they hold is to be removed.
        """
        ...

    def strip(self, collection_id: int, *, limit: int) -> bool:
        """Remove some of what a doomed collection holds; whether there may be more.

        At most *limit* documents, with all their revisions, or as many jobs.
        """
        ...

    def forget(self, collection_id: int) -> None:
        """Remove what is left of a doomed collection, itself included, once its files are gone."""
        ...
