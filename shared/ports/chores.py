"""What long upkeep asks of the catalog. Any call may raise `CatalogUnavailable`."""

from collections.abc import Sequence
from typing import Protocol

from shared.domain import (
    Chore,
    ChoreKind,
    ChoreState,
    Damage,
    LiveRecall,
)


class Chores(Protocol):
    """Long upkeep under a lease, and what it found."""

    def begin(
        self,
        collection_id: int,
        kind: ChoreKind,
        *,
        holder: str,
        lease_seconds: float,
        detail: str = "",
    ) -> Chore | None:
        """Begin a chore; None while another process does that kind in that collection.

        A chore whose lease ran out becomes `lost` in the same transaction.
        """
        ...

    def renew(self, chore_id: int, *, lease_seconds: float, done: int, total: int) -> None:
        """Extend the lease and say how far it is.

        Raises:
            Fenced: the lease ran out and somebody else began it.
        """
        ...

    def end(self, chore_id: int, state: ChoreState, detail: str) -> None:
        """End an active chore; nothing happens if it is not active."""
        ...

    def last(self, collection_id: int, kind: ChoreKind) -> Chore | None:
        """Return the newest chore of a kind that ended `done`; None if there never was one."""
        ...

    def chores(self, *, collection: str | None = None, limit: int) -> Sequence[Chore]:
        """Return the newest chores, active ones first."""
        ...

    def report(self, damages: Sequence[Damage]) -> None:
        """Quarantine damaged files; one known already keeps the time it was found."""
        ...

    def repaired(self, collection_id: int, keys: Sequence[str]) -> None:
        """Take files out of quarantine."""
        ...

    def damages(self, collection_id: int | None = None) -> Sequence[Damage]:
        """Return what is in quarantine, oldest first."""
        ...

    def sample(self, collection_id: int, *, version: int, k: int, recall: float) -> None:
        """Record how one live query compared with the exact answer; the newest 1,000 stay."""
        ...

    def recall(self, collection_id: int) -> LiveRecall | None:
        """Return how the samples since the last MERGE, RELAY or REBUILD went; None without any."""
        ...
