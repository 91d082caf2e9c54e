"""What measuring asks of the catalog. Any call may raise `CatalogUnavailable`."""

from collections.abc import Mapping
from typing import Protocol

from shared.domain import Series


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
