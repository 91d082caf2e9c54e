"""What measuring asks of the catalog. Any call may raise `CatalogUnavailable`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import Reading, Series


class Measures(Protocol):
    """Sums of what all processes counted since the installation was made."""

    def add(self, counts: Mapping[Series, float]) -> None:
        """Add to the sums; one transaction.

        Raises:
            CommitUnknown: the connection was lost during COMMIT.
        """
        ...

    def sums(self) -> Mapping[Series, float]:
        """Return every sum."""
        ...


class History(Protocol):
    """How the installation was lately: readings at about even times, the oldest of which go."""

    def keep(self, reading: Reading, *, every_seconds: float, kept_seconds: float) -> bool:
        """Keep a reading as that of now, unless there is one; whether it was kept.

        Its own time is not asked. There is one for every *every_seconds*; those older than
        *kept_seconds*, or ahead of the clock, which was put back since, are let go. One
        transaction.

        Raises:
            CommitUnknown: the connection was lost during COMMIT.
        """
        ...

    def readings(self, *, within_seconds: float) -> Sequence[Reading]:
        """Return the readings of the last *within_seconds*, oldest first."""
        ...
