"""Dead letters: what was handed in and not indexed, and what may become of it yet."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from shared.domain.submissions import NewDocument, Submission


class DeadLetterKind(StrEnum):
    """What a dead letter is."""

    DOCUMENT = "document"
    """A document that was accepted and failed: the newest revision of its document."""
    MESSAGE = "message"
    """A message that was never accepted."""


class DeadLetterId(NamedTuple):
    """Its name outside, `document:123` or `message:45`."""

    kind: DeadLetterKind
    number: int
    """Id of the revision, or of the rejection."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the id that *text* names; None if it cannot be one."""
        found = re.fullmatch("(document|message):([0-9]{1,18})", text, flags=re.ASCII)
        return cls(DeadLetterKind(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A document that failed or a message that was refused."""

    id: DeadLetterId
    received_at: float
    failed_at: float
    """When it failed; a message does so when it is received."""
    collection: str | None
    """None where the message could not be read so far."""
    source: str
    producer: str
    """As it names itself; empty where it does not, and of messages."""
    key: str | None
    document: str | None
    """The document's id; None of a message."""
    reason: str
    """A short code: `crashed` or `failed` of a document, else as `Rejection.reason`."""
    detail: str
    """The reason in words."""
    obstacle: str | None
    """Why it cannot be replayed; None if it can."""
    replayed_at: float | None = None
    job_id: str | None = None
    """The document's job, or the one that the message became when it was replayed."""


DeadLetterContent = NewDocument | Submission | bytes
"""What was handed in: the document, what a refused submission holds, or the message's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which dead letters are meant: those that all of this is true of."""

    kind: DeadLetterKind | None = None
    collection: str | None = None
    source: str | None = None
    reason: str | None = None
    text: str | None = None
    """Part of the reason in words, whatever its case."""
    since: float | None = None
    """Received then or later."""
    until: float | None = None
    """Received before then."""
    replayed: bool = False
    """Messages that were replayed, instead of those that were not."""
    job: str | None = None
    """Failed documents of this job; no message is."""
    documents: tuple[str, ...] | None = None
    """Only those with these ids; no message is."""

    @property
    def is_empty(self) -> bool:
        """Whether every dead letter is meant."""
        return self == DeadLetterFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterPage:
    """Some of the dead letters that a filter finds."""

    letters: tuple[DeadLetter, ...]
    next_cursor: str | None
    """Where the next page begins; None if there is none."""


class ReplayOutcome(StrEnum):
    """What became of a dead letter that was replayed."""

    REPLAYED = "replayed"
    """It waits to be indexed."""
    SUPERSEDED = "superseded"
    """A newer revision of its document is there: it is not indexed, and no dead letter any more."""
    REFUSED = "refused"
    """The message was refused again, maybe for another reason, and stays."""
    IMPOSSIBLE = "impossible"
    """What would be needed is not kept; it stays."""
    SETTLED = "settled"
    """Nothing was to be done: it is no dead letter any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What became of one dead letter."""

    id: DeadLetterId
    outcome: ReplayOutcome
    detail: str = ""
    """In words, where the outcome does not say it all."""
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """What became of some dead letters, oldest first."""

    results: tuple[Replay, ...]
    next_cursor: str | None
    """Where to go on; None if all were tried."""
