"""Long upkeep under a lease."""

from dataclasses import dataclass
from enum import StrEnum


class ChoreKind(StrEnum):
    """Work that one process at a time does for a collection."""

    MERGE = "merge"
    """Make one segment of several."""
    RELAY = "relay"
    """Lay segments out anew under another rule or format."""
    COLLECT = "collect"
    """Let versions expire and remove files that no kept version needs."""
    SCRUB = "scrub"
    """Read every file again and compare its checksum."""
    REWRITE = "rewrite"
    """Purge a document from every version, or repair damaged files."""
    MAP = "map"
    """Draw the vectors of a version on a plane."""


class ChoreState(StrEnum):
    """How a chore stands."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    """Its process died or lost its lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """One piece of upkeep; its row is the lease of whoever does it."""

    id: int
    collection_id: int
    kind: ChoreKind
    state: ChoreState
    holder: str
    started_at: float
    done: int = 0
    """Vectors, files or documents behind it."""
    total: int = 0
    detail: str = ""
    """What it does, and at the end what came of it, in words."""
    ended_at: float | None = None
