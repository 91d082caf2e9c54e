"""Documents, as they are sent and as they are shown."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, SkipValidation, field_validator
from pydantic.config import JsonDict

from shared.domain import DocumentLine, DocumentReport, Lane, Receipt, RevisionKind, State
from web.api.models.base import (
    LARGEST_INTEGER,
    Body,
    JobLink,
    Question,
    Shape,
    Text,
    Time,
    VersionRef,
)

LANES = {"interactive": Lane.INTERACTIVE, "bulk": Lane.BULK}


_NOT_BLANK: JsonDict = {"type": "string", "pattern": r"\S"}
_TRIMMED = r"^(?!\s)[^\x00-\x1f\x7f-\x9f]*(?<!\s)$"


class NewDocumentShape(Shape):
    """A document to add or replace. It needs a text or a title that is not blank."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: _NOT_BLANK}} for name in ("text", "title")
            ]
        }
    )

    # As it says, `shared.ingest` checks it.
    id: str | int | None = Field(
        default=None,
        json_schema_extra={"minLength": 1, "pattern": _TRIMMED},
    )
    """Yours; the same id again replaces the document. By default one is made."""

    title: str | None = None
    text: str | None = None
    metadata: dict[str, Any] | None = None
    """Kept with the document and returned with every hit."""

    external_version: int | None = Field(default=None, ge=0, le=LARGEST_INTEGER)
    """Your own rising version of the document, 0 or more."""


class NewDocuments(Question):
    """Documents to accept together, all of them or none."""

    # Checked by the use case, whose errors point into each document; checking it here as well
    # would also copy every text.
    documents: SkipValidation[list[NewDocumentShape]] = Field(min_length=1)


class DocumentChanges(Question):
    """What to change of a document; what is not named stays as it is."""

    # Checked by the use case, as above.
    title: SkipValidation[str | None] = None
    text: SkipValidation[str | None] = None
    metadata: SkipValidation[dict[str, Any] | None] = None
    """Merged into what is there: null takes a name away, an object is merged in turn."""

    external_version: SkipValidation[int | None] = None
    """Your own rising version of the document, 0 or more."""


class SubmissionQuery(Question):
    """How to take documents in."""

    lane: Literal["interactive", "bulk"] = "interactive"
    """`bulk` lets the documents of people who wait go first."""


class SubmissionHeader(Shape):
    """What a producer may add to a submission."""

    model_config = ConfigDict(extra="ignore")

    idempotency_key: Text | None = Field(default=None, alias="Idempotency-Key")
    """Send the same key with the same documents again and get the first answer again."""

    producer: Text | None = Field(
        default=None, alias="X-Lamina-Producer", min_length=1, max_length=100
    )
    """Who you are, in printable characters: workers share their time fairly between producers."""

    @field_validator("producer")
    @classmethod
    def _check_producer(cls, name: str | None) -> str | None:
        if name is not None and not name.isprintable():
            raise ValueError("must hold printable characters only")
        return name


class AcceptedDocument(Shape):
    """A document and where it stands."""

    id: str
    status: State


class Accepted(Shape):
    """The receipt of a submission: it is committed, and will be indexed or its failure shown."""

    job: JobLink
    documents: list[AcceptedDocument]

    @classmethod
    def of(cls, receipt: Receipt, url: str) -> Self:
        """Return the receipt with the job's address."""
        return cls(
            job=JobLink(id=receipt.job_id, url=url),
            documents=[
                AcceptedDocument(id=external_id, status=state)
                for external_id, state in receipt.documents
            ],
        )


class DocumentsQuery(Question):
    """Which documents to list."""

    limit: int = Field(default=50, ge=1, le=1000)
    cursor: Text | None = None
    """`next_cursor` of the page before."""
    status: State | None = None
    warnings: bool | None = None
    """Whether there are any."""
    prefix: Text = ""
    """What the id begins with."""
    version: VersionRef | None = None
    """As a kept version holds them, by number or tag; by default their newest revisions."""
    filter: Text | None = None
    """Only documents whose metadata match, such as `year >= 2020 and not exists(draft)`."""


class DocumentLineShape(Shape):
    """A document in a list, without its text."""

    id: str
    status: State
    kind: RevisionKind
    revision: int
    title: str
    metadata: dict[str, Any]
    characters: int
    """Length of title and text."""
    warnings: list[str]
    error: str | None
    job: JobLink | None
    """Null once the job was forgotten."""
    version: int | None
    """First version of the collection that holds it."""
    accepted_at: Time
    published_at: Time | None

    @classmethod
    def of(cls, line: DocumentLine, job: JobLink | None) -> Self:
        """Return what the API shows of a document in a list."""
        return cls(
            id=line.id,
            status=line.state,
            kind=line.kind,
            revision=line.revision_id,
            title=line.title,
            metadata=dict(line.metadata),
            characters=line.characters,
            warnings=list(line.warnings),
            error=line.error,
            job=job,
            version=line.version,
            accepted_at=line.accepted_at,
            published_at=line.published_at,
        )


class DocumentList(Shape):
    """Documents in the order of their ids."""

    documents: list[DocumentLineShape]
    """A page may be short, or empty, and not be the last."""
    next_cursor: str | None
    """Null on the last page."""


class DeletionRequest(Body):
    """Which documents to delete: by `ids`, or by `filter`."""

    model_config = ConfigDict(strict=True)

    ids: SkipValidation[list[str | int] | None] = None
    """What is not there is no fault."""
    filter: dict[str, Any] | Text | None = None
    """Documents whose metadata match in the newest version: in words, or as a tree as in a
    search."""
    dry_run: bool = False
    """With `filter`: only count them."""


class Deleted(Shape):
    """What a delete of several documents does."""

    dry_run: bool
    job: JobLink | None
    """Null of a dry run. Of a filter, it grows until all are in it; then it tells in `extra` how
    many were `deleted`, and `skipped` since they were changed meanwhile."""
    documents: list[AcceptedDocument]
    """Those that were named, and where they stand; empty of a filter."""
    version: int | None
    """Of a dry run: the version that was counted in."""
    matched: int | None
    """Of a dry run."""


class ChunkShape(Shape):
    """A passage that has its vector: `text[start:end]`."""

    vector_id: int
    start: int
    end: int
    tokens: int


class Stages(Shape):
    """When each stage was reached; null while it was not."""

    accepted_at: Time
    claimed_at: Time | None
    encoded_at: Time | None
    published_at: Time | None
    first_loaded_at: Time | None


class DocumentShape(Shape):
    """The newest revision of a document."""

    id: str
    status: State
    kind: RevisionKind
    revision: int
    title: str
    text: str
    metadata: dict[str, Any]
    warnings: list[str]
    error: str | None
    job: JobLink | None
    """Null once the job was forgotten."""
    version: int | None
    """First version of the collection that holds it."""
    chunks: list[ChunkShape]
    stages: Stages

    @classmethod
    def of(cls, report: DocumentReport, job: JobLink | None) -> Self:
        """Return what the API shows of a document."""
        return cls(
            id=report.id,
            status=report.state,
            kind=report.kind,
            revision=report.revision_id,
            title=report.title,
            text=report.text,
            metadata=dict(report.metadata),
            warnings=list(report.warnings),
            error=report.error,
            job=job,
            version=report.version,
            chunks=[
                ChunkShape(
                    vector_id=chunk.vector_id, start=chunk.start, end=chunk.end, tokens=chunk.tokens
                )
                for chunk in report.chunks
            ],
            stages=Stages(
                accepted_at=report.accepted_at,
                claimed_at=report.claimed_at,
                encoded_at=report.encoded_at,
                published_at=report.published_at,
                first_loaded_at=report.first_loaded_at,
            ),
        )
