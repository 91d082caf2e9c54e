"""Documents that failed and messages that were refused."""

import base64
import json
from typing import Any, Literal, Self

from pydantic import Field

from shared.domain import (
    DeadLetter,
    DeadLetterContent,
    DeadLetterFilter,
    DeadLetterKind,
    NewDocument,
    Replay,
    ReplayOutcome,
    Replays,
    Submission,
)
from web.api.models.base import Body, Instant, JobLink, Question, Shape, Text, Time, seconds


class DeadLetterPath(Question):
    """The address of a dead letter."""

    letter_id: Text
    """`document:` or `message:` and a number."""


class DeadLetterChoice(Question):
    """Which dead letters are meant: those that all of this is true of."""

    kind: DeadLetterKind | None = None
    """`document`: accepted, and failed; `message`: never accepted."""
    collection: Text | None = None
    source: Text | None = None
    """Who sent it: `api`, `form`, or `queue:` and a queue."""
    reason: Text | None = None
    """The short code of the reason."""
    text: Text | None = Field(default=None, min_length=1)
    """Part of the reason in words, whatever its case."""
    since: Instant | None = None
    """Received then or later."""
    until: Instant | None = None
    """Received before then."""

    def to_filter(self, *, replayed: bool = False) -> DeadLetterFilter:
        """Return it as the catalog understands it."""
        return DeadLetterFilter(
            kind=self.kind,
            collection=self.collection,
            source=self.source,
            reason=self.reason,
            text=self.text,
            since=seconds(self.since),
            until=seconds(self.until),
            replayed=replayed,
        )


class DeadLettersQuery(DeadLetterChoice):
    """Which dead letters to list."""

    replayed: bool = False
    """Messages that were replayed, instead of those that were not."""
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: Text | None = None
    """`next_cursor` of the page before."""


class DismissQuery(DeadLetterChoice):
    """Which dead letters to dismiss."""

    replayed: bool = False
    """Messages that were replayed, instead of those that were not."""
    everything: bool = Field(default=False, alias="all")
    """Must be true where nothing else says which."""
    limit: int = Field(default=1000, ge=1, le=1000)


class ReplayRequest(DeadLetterChoice, Body):
    """Which dead letters to hand in again."""

    everything: bool = Field(default=False, alias="all")
    """Must be true where nothing else says which."""
    limit: int = Field(default=100, ge=1, le=1000)
    """How many to try, oldest first."""
    cursor: Text | None = None
    """`next_cursor` of the answer before."""


class DeadLetterShape(Shape):
    """A document that failed, or a message that was refused."""

    id: str
    url: str
    kind: DeadLetterKind
    received_at: Time
    failed_at: Time
    collection: str | None
    source: str
    producer: str
    """As it names itself; empty where it does not, and of messages."""
    key: str | None
    document: str | None
    """Id of the document; null of a message."""
    reason: str
    """A short code: `failed` or `crashed` (it ended its worker) of a document; `not-json`,
    `bad-payload`, `no-such-collection` and so on of a message."""
    detail: str
    """The reason in words."""
    replayable: bool
    obstacle: str | None
    """Why it cannot be replayed."""
    replayed_at: Time | None
    job: JobLink | None
    """The document's job, or the one that the message became."""

    @classmethod
    def of(cls, letter: DeadLetter, url: str, job: JobLink | None) -> Self:
        """Return what the API shows of a dead letter."""
        return cls(
            id=str(letter.id),
            url=url,
            kind=letter.id.kind,
            received_at=letter.received_at,
            failed_at=letter.failed_at,
            collection=letter.collection,
            source=letter.source,
            producer=letter.producer,
            key=letter.key,
            document=letter.document,
            reason=letter.reason,
            detail=letter.detail,
            replayable=letter.obstacle is None and letter.replayed_at is None,
            obstacle=letter.obstacle,
            replayed_at=letter.replayed_at,
            job=job,
        )


class DeadLetterList(Shape):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetterShape]
    next_cursor: str | None
    """Where the next page begins; null if there is none."""


class DocumentContent(Shape):
    """A document as it was accepted."""

    title: str
    text: str
    metadata: dict[str, Any]
    external_version: int | None


class MessageContent(Shape):
    """A message as it came; its beginning, if it was longer than what is kept."""

    encoding: Literal["utf-8", "base64"]
    size: int
    """Bytes that are kept."""
    raw: str
    """Text if it is UTF-8, else base64."""

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Return bytes as JSON can hold them."""
        try:
            return cls(encoding="utf-8", size=len(raw), raw=raw.decode())
        except UnicodeDecodeError:
            return cls(encoding="base64", size=len(raw), raw=base64.b64encode(raw).decode())


class DeadLetterDetail(DeadLetterShape):
    """A dead letter with what was handed in; the other of the two is null."""

    content: DocumentContent | None
    message: MessageContent | None

    @classmethod
    def whole(cls, shape: DeadLetterShape, content: DeadLetterContent) -> Self:
        """Return *shape* with what was handed in."""
        common = {name: getattr(shape, name) for name in DeadLetterShape.model_fields}
        return cls(
            **common,
            content=_document(content) if isinstance(content, NewDocument) else None,
            message=None if isinstance(content, NewDocument) else message_content(content),
        )


def _document(content: NewDocument) -> DocumentContent:
    return DocumentContent(
        title=content.title,
        text=content.text,
        metadata=dict(content.metadata),
        external_version=content.external_version,
    )


def message_content(content: Submission | bytes) -> MessageContent:
    """Show a submission that came over HTTP as the documents that it held."""
    if isinstance(content, bytes):
        return MessageContent.of(content)
    documents = [
        {
            "id": one.id,
            "kind": one.kind,
            "title": one.title,
            "text": one.text,
            "metadata": one.metadata,
            "external_version": one.external_version,
        }
        for one in content.documents
    ]
    return MessageContent.of(json.dumps({"documents": documents}).encode())


class ReplayShape(Shape):
    """What became of one dead letter."""

    id: str
    outcome: ReplayOutcome
    """`replayed`: it waits to be indexed. `superseded`: a newer revision of its document came, so
    it is not indexed. `refused`: again, and it stays. `impossible`: what is needed is not kept, and
    it stays. `settled`: it was no dead letter any more."""
    detail: str
    job: JobLink | None

    @classmethod
    def of(cls, replay: Replay, job: JobLink | None) -> Self:
        """Return what the API shows of it."""
        return cls(id=str(replay.id), outcome=replay.outcome, detail=replay.detail, job=job)


class ReplayList(Shape):
    """What became of dead letters, oldest first."""

    counts: dict[ReplayOutcome, int]
    results: list[ReplayShape]
    next_cursor: str | None
    """Where to go on with the same filter; null when all were tried."""

    @classmethod
    def of(cls, replays: Replays, results: list[ReplayShape]) -> Self:
        """Return what the API shows of several."""
        outcomes = [one.outcome for one in replays.results]
        counts = {outcome: outcomes.count(outcome) for outcome in ReplayOutcome}
        return cls(counts=counts, results=results, next_cursor=replays.next_cursor)


class Dismissed(Shape):
    """How many dead letters were taken off the list."""

    dismissed: int
    more: bool
    """Whether the filter finds others."""
