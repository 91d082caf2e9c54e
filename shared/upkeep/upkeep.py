"""What keeps an index healthy works with; and giving dead workers' claims back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain import Collection, Head, IndexRule, Manifest, Segment
from shared.ports import (
    Claims,
    Collections,
    IndexFiles,
    IndexStore,
    Publications,
    Reading,
    Roster,
)
from shared.upkeep.chores import Shift
from shared.upkeep.clockwatch import ClockWatch
from shared.upkeep.room import Room


class MergePolicy(Protocol):
    """Decides what to merge."""

    def __call__(
        self, segments: Sequence[Segment], *, rule: IndexRule, now: float
    ) -> Sequence[Segment] | None:
        """Return the segments of a manifest to merge next; None when all is well."""
        ...


class RelayPolicy(Protocol):
    """Decides what to lay out anew."""

    def __call__(self, segments: Sequence[Segment], *, rule: IndexRule) -> Sequence[Segment]:
        """Return the segments of a manifest whose layout is not what the rule asks for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What upkeep works with."""

    claims: Claims
    collections: Collections
    publications: Publications
    reading: Reading
    roster: Roster
    store: IndexStore
    manifest: Callable[[Head, Collection], Manifest]
    """Reads a manifest; may remember it, as upkeep looks at each head every few seconds."""
    files: IndexFiles
    shift: Shift
    room: Room
    merges: MergePolicy
    relays: RelayPolicy
    max_crashes: int
    clock: ClockWatch
    claim_seconds: float
    """How long a claim lives without a heartbeat."""


def reap(upkeep: Upkeep) -> int:
    """Give the work of workers whose leases ran out back to the queue; return how many claims.

    None while the living may not have been able to renew theirs.
    """
    upkeep.clock.look()
    if not upkeep.clock.steady_for(upkeep.claim_seconds):
        return 0
    return upkeep.claims.reap(max_crashes=upkeep.max_crashes)
