"""What the use cases ask of the catalog about rebuilds. Any call may raise `CatalogUnavailable`."""

from collections.abc import Sequence
from typing import Protocol

from shared.domain import (
    Attempt,
    Batch,
    Claim,
    Readiness,
    Rebuild,
    RebuildFailure,
    Segment,
    SpaceDraft,
    Undertaking,
)


class Rebuilds(Protocol):
    """Rebuilds as users ask for them."""

    def begin(self, name: str, draft: SpaceDraft, *, force: bool) -> Rebuild | None:
        """Begin to build a collection's index anew as *draft* says; None if that is what it is.

        One that is under way and builds just that goes on: with *force* it leaves out what
        failed, else it tries that once more.

        Raises:
            CollectionNotFound: there is none.
            RebuildUnderWay: the collection is being rebuilt as something else.
        """
        ...

    def last(self, collection_id: int) -> Rebuild | None:
        """Return the rebuild of a collection that began last; None if there never was one."""
        ...

    def cancel(self, name: str) -> Rebuild:
        """End the rebuild that is under way; return it.

        Raises:
            CollectionNotFound: there is none.
            RebuildNotFound: none is under way.
        """
        ...

    def failures(self, rebuild: Rebuild, *, limit: int) -> Sequence[RebuildFailure]:
        """Return documents of the head that could not be brought into the new space, by age."""
        ...

    def remains(self, *, older_than_seconds: float) -> Sequence[int]:
        """Return the collections of which something is left of a rebuild that ended so long ago."""
        ...


class Renditions(Protocol):
    """The work on rebuilds: documents on their way into a new space."""

    def running(self) -> Sequence[Undertaking]:
        """Return the rebuilds that are under way, those begun first in front."""
        ...

    def overdue(self) -> bool:
        """Whether too many claims of other lanes in a row have passed rebuilds by."""
        ...

    def claim(
        self,
        rebuild_id: str,
        worker: str,
        *,
        max_characters: int,
        max_documents: int,
        lease_seconds: float,
    ) -> Claim | None:
        """Take live revisions that the new space does not have yet; None if there are none.

        A claim as those of `Claims`, which renews and ends it. Its space is the new one.
        """
        ...

    def keep(self, batch: Batch) -> None:
        """Store what a claim made, in one transaction.

        Raises:
            Fenced: the claim or the attempt was taken away, or the rebuild has ended; nothing
                was written.
        """
        ...

    def is_drained(self, rebuild_id: str) -> bool:
        """Whether nothing waits or is under way, and nothing failed that must not be left out.

        Quick, but not sure: a document may have been published that was not looked at yet.
        """
        ...

    def readiness(self, rebuild_id: str) -> Readiness | None:
        """Read, in one snapshot, all that decides about the swap; None if the rebuild has ended.

        Every change of what is live moves the head, so a commit that compares the head also
        guards this reading.
        """
        ...

    def look_again(self, rebuild_id: str) -> None:
        """Look through all live revisions once more, those published in no order too."""
        ...

    def hold(self, rebuild_id: str, *, seconds: float) -> None:
        """Hold other work of the collection back so long; then let it go on for as long at least.

        Nothing happens while it is held, or has its rest.
        """
        ...

    def trouble(self, rebuild_id: str, words: str | None) -> None:
        """Say why the rebuild does not get on; None when it does."""
        ...

    def parts(self, collection_id: int) -> Sequence[Segment]:
        """Return the segments of the rebuild under way, without their layouts; empty if none."""
        ...

    def merged(
        self, rebuild_id: str, attempt: Attempt, inputs: Sequence[Segment], output: Segment
    ) -> None:
        """Put one part in the place of several.

        Raises:
            VersionConflict: not all of them are there any more; nothing was written.
            Fenced: the attempt was taken away, or the rebuild has ended; nothing was written.
        """
        ...

    def clear(self, collection_id: int, *, limit: int) -> bool:
        """Remove some of what ended rebuilds and spaces that no version shows have left.

        Returns:
            whether there may be more.
        """
        ...
