"""What is asked of the catalog about many documents at once."""

from collections.abc import Callable
from typing import Protocol

from shared.domain import DocumentFilter, DocumentPage, Receipt, Submission
from shared.domain.filters import Filter


class Documents(Protocol):
    """Documents by what they are. Any call may raise `CatalogUnavailable`."""

    def page(
        self, collection: str, which: DocumentFilter, *, limit: int, cursor: str | None = None
    ) -> DocumentPage:
        """Return at most *limit* documents behind the id *cursor*, in the order of their ids.

        Looks at a bounded number of documents, so a page may be short and not the last. Without
        a version, documents that are deleted, or whose delete waits no longer, are left out.

        Raises:
            CollectionNotFound, VersionNotFound, VersionExpired
        """
        ...

    def count(self, collection: str, condition: Filter) -> tuple[int, int]:
        """Return the head's version and how many of its documents match.

        Raises:
            CollectionNotFound: there is none.
        """
        ...

    def delete(self, submission: Submission, condition: str) -> Receipt:
        """Accept a delete of all that matches now; committed when this returns.

        *submission* has no documents, and *condition* is the filter as text. The job grows as
        `proceed` carries it out, and until then is not finished; cancelling it stops that.
        What is handed in after this is not deleted.

        Raises:
            CollectionNotFound: there is none.
            KeyReused: the key was used with other content.
        """
        ...

    def proceed(self, read: Callable[[str], Filter], *, limit: int) -> int | None:
        """Carry out a step of the oldest delete that nobody else is at, in one transaction.

        *read* makes a filter of what `delete` was given. Returns how many documents the step
        added to the job, at most *limit*; None if there is no delete to carry out.
        """
        ...
