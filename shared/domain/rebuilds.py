"""Building a collection's index anew, in another space, beside the one that is searched."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.spaces import Space
from shared.domain.values import Ids
from shared.domain.versions import Head, Segment
from shared.domain.work import Attempt, ChunkSpan, Claim


class RebuildState(StrEnum):
    """How far a rebuild is."""

    BUILDING = "building"
    """Documents are encoded for the new space; searches go on in the old one."""
    BLOCKED = "blocked"
    """All is done but documents that the new space cannot hold: somebody must decide."""
    SWAPPING = "swapping"
    """What came last is caught up with, while nothing else of the collection is indexed."""
    DONE = "done"
    """The new space is searched."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self in (RebuildState.DONE, RebuildState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The documents of the head, by how far they are in a new space."""

    done: int
    failed: int
    under_way: int
    """A worker holds them."""
    waiting: int
    """Not taken yet; nor ever, once it was cancelled."""
    characters: int
    """Of those under way or waiting."""

    @property
    def documents(self) -> int:
        """All of them."""
        return self.done + self.failed + self.under_way + self.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """One rebuild of a collection."""

    id: str
    """Also of the job that stands for it."""
    collection_id: int
    space: Space
    """What is built."""
    state: RebuildState
    progress: Progress
    """As of now; once it has ended, as of then."""
    started_at: float
    ended_at: float | None
    version: int | None
    """The first that shows the new space."""
    forced: bool
    """Whether documents that fail are left out."""
    trouble: str | None
    """Why it does not get on, if a file of it is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildFailure:
    """A document that could not be brought into the new space."""

    document: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undertaking:
    """A rebuild that is under way, as those who work on it need it."""

    id: str
    collection_id: int
    space: Space
    held: bool
    """Whether other work of the collection is held back for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A revision as it is in a new space."""

    revision_id: int
    chunks: tuple[ChunkSpan, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None
    """Why it cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a claim made of its revisions: written all at once, or not at all."""

    rebuild_id: str
    attempt: Attempt
    claim: Claim
    renditions: tuple[Rendition, ...]
    segment: Segment | None
    """None where none of them has a vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """All that decides whether, and as what, a new space can be swapped in; read in one moment."""

    head: Head
    unfinished: int
    """Documents of the head that are not in the new space, and did not fail."""
    failed: int
    live: Ids
    """Vectors of the new space that the head's documents have, rising."""
    parts: tuple[Segment, ...]
    forced: bool
