"""What waits: how much of it, in which order, who works on it, and why it takes so long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.domain.values import Json, Lane

DOCUMENT_COST = 50
"""What a document costs besides its characters, in characters.

To claim and publish one of a single letter took 2.6 ms with an encoder that costs nothing (SQLite,
one of two busy cores), in which a slow core encodes 30 characters (12,000 a second, see `Pace`);
its special tokens and its own row in a pass make up the rest.
"""


class Place(NamedTuple):
    """Where a revision stands in the queue; places compare as the queue goes."""

    lane: int
    turn: int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """An amount of work."""

    documents: int = 0
    characters: int = 0

    @property
    def cost(self) -> int:
        """How much work it is, in characters."""
        return self.characters + DOCUMENT_COST * self.documents

    def __add__(self, other: "Load") -> "Load":
        """Return both together."""
        return Load(
            documents=self.documents + other.documents,
            characters=self.characters + other.characters,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What waits in one lane from one turn up to, but without, another."""

    lane: int
    first: int
    end: int
    load: Load


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLoad:
    """What waits in one lane."""

    lane: Lane
    load: Load
    oldest_seconds: float
    """Since the oldest of it was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileQueue:
    """Files on their way to become documents."""

    waiting: int
    """No parser holds them."""
    being_read: int
    """A parser does."""
    bytes: int
    """Of those that wait."""
    oldest_seconds: float
    """Since the oldest of those was accepted; 0 where none waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The whole queue in a few stretches, in its order."""

    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedClaim:
    """A claim that encoded something and was closed."""

    worker: str
    load: Load
    tokens: int
    claimed_at: float
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A claim that is under way."""

    id: int
    worker: str
    load: Load
    claimed_at: float
    lease_until: float
    publishing: bool
    """Whether all is encoded and a version is being made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlace:
    """Where the unfinished documents of a job are."""

    last: Place | None = None
    """Of its last one in the queue; None if none waits there."""
    characters: int = 0
    """Of that last one."""
    claims: frozenset[int] = frozenset()
    """Claims that hold others."""
    rest: Load | None = None
    """What comes after all else in the queue: of a rebuild, what it has still to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What one producer has waiting before somebody else's document."""

    lane: Lane
    collection: str
    source: str
    producer: str
    load: Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The documents of a job, or the one asked for, that wait in the queue."""

    first: Place
    characters: int
    """Of the first."""
    documents: int
    collection: str
    source: str
    producer: str
    ahead: tuple[Ahead, ...]
    """What is before the first of them, by producer; counted up to a limit."""
    more_ahead: bool
    """Whether the limit of `ahead` was reached."""
    held: int
    """Documents that nobody may claim yet."""
    held_until: float
    """When the next of those may be claimed."""
    delayed_by: str | None
    """Why they were given back, if they were."""
    suspects: int
    """Documents that were in a claim whose worker died."""
    crashes: int
    """How often, at most."""
    group: int
    """How many of them the next claim may hold; 0 if none is suspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """A document of which a newer revision was published first."""

    document: str
    job: str
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where the documents of a job are, or one of them."""

    now: float
    """By the catalog's clock."""
    encoder: str
    fingerprint: str
    holders: tuple[Holder, ...] = ()
    queued: Queued | None = None
    newer: tuple[Newer, ...] = ()
    """A few of those that were superseded."""
    held_until: float | None = None
    """Until when a rebuild of the collection holds them back, if one does."""

    @property
    def place(self) -> JobPlace | None:
        """Where one document is that waits or is held; None if it does neither."""
        if self.queued:
            return JobPlace(last=self.queued.first, characters=self.queued.characters)
        if self.holders:
            return JobPlace(claims=frozenset(one.id for one in self.holders))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast one index worker got through its claims lately, by the wall clock."""

    seconds: float
    """That workers held claims, together."""
    claims: int
    load: Load
    tokens: int

    @property
    def tokens_per_second(self) -> float:
        """Of one worker, all it does included."""
        return self.tokens / self.seconds

    @property
    def characters_per_second(self) -> float:
        """Of one worker, all it does included."""
        return self.load.characters / self.seconds

    @property
    def documents_per_second(self) -> float:
        """Of one worker, all it does included."""
        return self.load.documents / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """When the last document of a job will be done, and what says so."""

    seconds: float
    """From now."""
    load: Load
    """All that is done until then, its own included."""
    workers: int
    speed: Speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One answer to "why is this waiting?"."""

    code: str
    sentence: str
    details: Mapping[str, Json] = field(default_factory=dict)
