"""Files, as they are sent and as they are told of."""

from collections.abc import Sequence
from typing import Literal, Self

from flask_openapi3.models.file import FileStorage
from pydantic import Field

from shared.domain import Columns, FileFault, FileKind, UploadReport, UploadState
from shared.uploads.previewing import DocumentPreview, FilePreview
from shared.uploads.receiving import Verdict
from web.api.models.base import CollectionPath, JobLink, Question, Shape, Text, Time


class FilesForm(Question):
    """A form with files."""

    files: list[FileStorage] = Field(min_length=1)
    """One or more. The name of each is the id of the document that it becomes, folders included."""


class FilesQuery(Question):
    """How to take files in."""

    lane: Literal["interactive", "bulk"] = "interactive"
    """`bulk` lets the documents of people who wait go first."""

    id_column: Text | None = None
    """Of tables: the column with ids; empty for none. By default guessed by its name."""

    title_column: Text | None = None
    """Of tables: the column with titles; empty for none. By default guessed by its name."""

    text_column: list[Text] = Field(default_factory=list)
    """Of tables: the columns with texts, joined by a blank line. By default guessed by name, or
    by length. All other columns become metadata."""

    def columns(self) -> Columns:
        """Return which columns are what in the domain's words."""
        return Columns(id=self.id_column, title=self.title_column, text=tuple(self.text_column))


class VerdictShape(Shape):
    """Whether a file was taken, and why not."""

    name: str
    """Also the id of its document, if it is one document."""
    bytes: int
    accepted: bool
    kind: FileKind | None
    """What it seems to be by its first bytes; a Word document is a `zip` until it is opened."""
    fault: FileFault | None
    """Why it was not taken, for programs."""
    detail: str | None
    """Why it was not taken, in words."""

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Return what the API shows of a verdict."""
        return cls(
            name=verdict.name,
            bytes=verdict.size,
            accepted=verdict.upload is not None,
            kind=verdict.kind,
            fault=verdict.fault,
            detail=verdict.detail or None,
        )


class FilesAccepted(Shape):
    """Files that will be read and indexed."""

    job: JobLink
    files: list[VerdictShape]
    """Every one of the request, in its order."""

    @classmethod
    def of(cls, job: JobLink, verdicts: Sequence[Verdict]) -> Self:
        """Return what the API answers to files."""
        return cls(job=job, files=[VerdictShape.of(one) for one in verdicts])


class FileIssueShape(Shape):
    """A part of a file that was left out."""

    where: str
    detail: str


class FileShape(Shape):
    """A file of a job, and what became of it."""

    id: str
    name: str
    bytes: int
    status: UploadState
    kind: FileKind | None
    """Null until it was looked into."""
    encoding: str | None
    """Of a text; often a guess."""
    documents: int
    """That it became so far; none of an archive, whose files are files of the job."""
    skipped: int
    """Rows, lines or files of an archive that were left out."""
    issues: list[FileIssueShape]
    """The first 100 of them."""
    warnings: list[str]
    fault: FileFault | None
    """Why it could not be read, for programs."""
    error: str | None
    """Why it could not be read, in words."""
    accepted_at: Time
    ended_at: Time | None

    @classmethod
    def of(cls, report: UploadReport) -> Self:
        """Return what the API shows of a file."""
        return cls(
            id=report.id,
            name=report.name,
            bytes=report.size,
            status=report.state,
            kind=report.kind,
            encoding=report.encoding,
            documents=report.documents,
            skipped=report.skipped,
            issues=[FileIssueShape(where=one.where, detail=one.detail) for one in report.issues],
            warnings=list(report.warnings),
            fault=report.fault,
            error=report.error,
            accepted_at=report.accepted_at,
            ended_at=report.ended_at,
        )


class FileList(Shape):
    """Files of a job, in the order in which they were sent."""

    files: list[FileShape]
    next_cursor: int | None
    """Null on the last page."""


class FilesOfJobQuery(Question):
    """Which part of a job's files to list."""

    limit: int = Field(default=100, ge=1, le=1000)
    cursor: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """`next_cursor` of the page before."""


class OriginalPath(CollectionPath):
    """The address of a document's file."""

    document_id: Text
    """The document's id; it may hold slashes."""


class PreviewBody(Question):
    """A document to be looked at, not stored."""

    title: Text = ""
    text: Text = ""


class PassagePreviewShape(Shape):
    """A passage that there will be: `text[start:end]`."""

    start: int
    end: int
    tokens: int
    """That the encoder reads for it, title and special tokens included."""
    text: str
    place: str
    """Where in the file it stands, such as `page 3`; empty where that has no name."""


class DocumentPreviewShape(Shape):
    """A document that there will be."""

    id: str
    """Empty where one will be made."""
    title: str
    characters: int
    cut: int
    """Characters of the text that were left out of the preview, being too many."""
    passages: list[PassagePreviewShape]
    """The first 50."""
    total: int
    """Passages in all, of what was not left out of the preview."""
    tokens: int
    """That the encoder will read for all of them."""
    warnings: list[str]
    """What will be cut off or is empty."""

    @classmethod
    def of(cls, document: DocumentPreview) -> Self:
        """Return what the API shows of a document to be."""
        return cls(
            id=document.id,
            title=document.title,
            characters=document.characters,
            cut=document.cut,
            passages=[
                PassagePreviewShape(
                    start=one.start, end=one.end, tokens=one.tokens, text=one.text, place=one.place
                )
                for one in document.passages
            ],
            total=document.total,
            tokens=document.tokens,
            warnings=list(document.warnings),
        )


class Preview(Shape):
    """What a document will become."""

    document: DocumentPreviewShape
    max_tokens: int
    """Of a passage, by the collection's rule."""


class ColumnsShape(Shape):
    """What the columns of a table are taken for; all others become metadata."""

    names: list[str]
    id: str
    """Empty for none."""
    title: str
    text: list[str]


class FilePreviewShape(Shape):
    """What a file will become, or why it will not."""

    name: str
    bytes: int
    kind: FileKind | None
    fault: FileFault | None
    detail: str | None
    encoding: str | None
    documents: list[DocumentPreviewShape]
    """The first 5."""
    members: list[str]
    """Names of the files in an archive."""
    issues: list[FileIssueShape]
    """What is left out."""
    warnings: list[str]
    columns: ColumnsShape | None
    """Only of tables."""

    @classmethod
    def of(cls, verdict: Verdict, preview: FilePreview | None) -> Self:
        """Return what the API shows of a file to be."""
        reading = preview.reading if preview else None
        found = reading.columns if reading else None
        return cls(
            name=verdict.name,
            bytes=verdict.size,
            kind=reading.kind if reading else verdict.kind,
            fault=verdict.fault,
            detail=verdict.detail or None,
            encoding=reading.encoding if reading else None,
            documents=[DocumentPreviewShape.of(one) for one in preview.documents]
            if preview
            else [],
            members=list(preview.members) if preview else [],
            issues=[
                FileIssueShape(where=one.where, detail=one.detail)
                for one in (reading.issues if reading else ())
            ],
            warnings=list(reading.warnings) if reading else [],
            columns=None
            if reading is None or found is None
            else ColumnsShape(
                names=list(reading.names),
                id=found.id or "",
                title=found.title or "",
                text=list(found.text),
            ),
        )


class FilesPreview(Shape):
    """What files will become. Nothing of them is stored."""

    files: list[FilePreviewShape]
    max_tokens: int
    """Of a passage, by the collection's rule."""
