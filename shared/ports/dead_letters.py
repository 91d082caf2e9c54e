"""What is asked of the catalog about dead letters.

Its contract tests are `tests/contract/test_catalog_dead_letters.py`. Any call may raise
`CatalogUnavailable`.
"""

from collections.abc import Sequence
from typing import Protocol

from shared.domain import (
    DeadLetter,
    DeadLetterContent,
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterPage,
    Rejection,
    Replay,
    Submission,
)


class DeadLetters(Protocol):
    """Documents that failed and messages that were refused."""

    def count(self, *, most: int) -> int:
        """Return how many dead letters there are; *most* if there are more."""
        ...

    def page(
        self,
        which: DeadLetterFilter,
        *,
        limit: int,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> DeadLetterPage:
        """Return some of *which*, newest first, from *cursor* on.

        What comes or goes meanwhile makes no page repeat or leave out another one.

        Raises:
            InvalidRequest: the cursor is none of this list.
        """
        ...

    def find(self, one: DeadLetterId) -> tuple[DeadLetter, DeadLetterContent]:
        """Return a dead letter and what was handed in; a replayed message, too.

        Raises:
            DeadLetterNotFound: there is none.
        """
        ...

    def revive(self, revisions: Sequence[int]) -> Sequence[Replay]:
        """Put failed revisions back into the queue, all in one transaction; in the order given.

        Each with a clean slate, at the end of its flow, unless a newer revision of its document
        is there: then it is superseded.
        """
        ...

    def accept(self, rejection: int, letter: Submission | Rejection) -> Replay:
        """Accept a refused message as *letter*, and remember so in the same transaction.

        One that is accepted already is left alone. One that is refused again stays, with the new
        reason.

        Raises:
            DeadLetterNotFound: there is no such message.
        """
        ...

    def dismiss(self, letters: Sequence[DeadLetterId]) -> int:
        """Take letters off the list for good; return how many were on it.

        A message is erased; a document stays failed, and its text is let go.
        """
        ...
