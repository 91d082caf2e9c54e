"""Files that people bring: from stored bytes to documents, and where in a file a passage stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.values import Json, Lane


class FileKind(StrEnum):
    """What a file is, by its content."""

    PDF = "pdf"
    DOCX = "docx"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    ZIP = "zip"

    @property
    def words(self) -> str:
        """What people call it."""
        return {
            FileKind.PDF: "PDF",
            FileKind.DOCX: "Word document",
            FileKind.HTML: "web page",
            FileKind.MARKDOWN: "Markdown",
            FileKind.TEXT: "plain text",
            FileKind.CSV: "table (CSV)",
            FileKind.TSV: "table (TSV)",
            FileKind.JSONL: "JSON Lines",
            FileKind.ZIP: "ZIP archive",
        }[self]

    @property
    def media_type(self) -> str:
        """What it is called in HTTP."""
        return {
            FileKind.PDF: "application/pdf",
            FileKind.DOCX: (
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
            ),
            FileKind.HTML: "text/html",
            FileKind.MARKDOWN: "text/markdown",
            FileKind.TEXT: "text/plain",
            FileKind.CSV: "text/csv",
            FileKind.TSV: "text/tab-separated-values",
            FileKind.JSONL: "application/x-ndjson",
            FileKind.ZIP: "application/zip",
        }[self]

    @property
    def tabular(self) -> bool:
        """Whether it is a document a row, of named columns."""
        return self in (FileKind.CSV, FileKind.TSV, FileKind.JSONL)


class FileFault(StrEnum):
    """Why a file is refused or could not be read, for programs; words say it to people."""

    EMPTY = "empty"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many-files"
    BAD_NAME = "bad-name"
    UNSUPPORTED = "unsupported"
    ENCRYPTED = "encrypted"
    NO_TEXT = "no-text"
    DAMAGED = "damaged"
    BOMB = "bomb"
    NESTED = "nested-archive"
    MEMORY = "memory"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    COLUMNS = "columns"
    TOO_MUCH_TEXT = "too-much-text"
    DOCUMENT = "invalid-document"
    MISSING = "missing"
    """Its bytes are not where they were stored."""


class PlaceKind(StrEnum):
    """By what a place in a file is named."""

    PAGE = "page"
    HEADING = "heading"
    ROW = "row"
    LINE = "line"


class UploadState(StrEnum):
    """Where a file stands."""

    DRAFT = "draft"
    """Stored to be looked at; nobody asked for it to be added yet."""
    PENDING = "pending"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self not in (UploadState.DRAFT, UploadState.PENDING, UploadState.CLAIMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a table are what; all others become metadata."""

    id: str | None = None
    """None for one guessed by its name, empty for none: rows are then named by their number."""
    title: str | None = None
    """None for one guessed by its name, empty for none."""
    text: tuple[str, ...] = ()
    """One or more, joined by a blank line; none given: guessed by name, or by length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """Where in a file a passage stands."""

    file: str
    kind: PlaceKind | None
    """None where the file has no parts to name."""
    first: str = ""
    last: str = ""
    """The same as `first`, unless the passage goes on into another."""

    @property
    def words(self) -> str:
        """Say it to people, without the file: `page 3`, `row 12`."""
        if self.kind is None:
            return ""
        if self.kind is PlaceKind.HEADING:
            return f"under “{self.first}”" if self.first == self.last else f"from “{self.first}”"
        if self.first == self.last:
            return f"{self.kind} {self.first}"
        return f"{self.kind}s {self.first}\N{EN DASH}{self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The file that a text came from, and what begins where in the text."""

    file: str
    file_kind: FileKind
    place_kind: PlaceKind | None = None
    marks: tuple[tuple[int, str], ...] = ()
    """First character and name of each page, heading or row, rising."""

    def place(self, start: int, end: int) -> FilePlace:
        """Return where `text[start:end]` stands; what is before the first mark has no name."""
        reached = [label for begins, label in self.marks if begins < max(end, start + 1)]
        before = [label for begins, label in self.marks if begins <= start]
        if self.place_kind is None or not reached:
            return FilePlace(file=self.file, kind=None)
        first = before[-1] if before else reached[0]
        return FilePlace(file=self.file, kind=self.place_kind, first=first, last=reached[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """A file whose bytes are stored durably."""

    key: str
    """Where, among all stored bytes; it holds the checksum."""
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """A file to be parsed."""

    name: str
    """As its owner calls it, with `/` between folders; also the id of what is one document."""
    bytes: Bytes
    columns: Columns = Columns()
    in_archive: bool = False
    """It came out of an archive: if it is one itself, it is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that a parser holds under a lease; `epoch` fences it."""

    id: str
    epoch: int
    collection_id: int
    job_id: str
    name: str
    bytes: Bytes
    columns: Columns
    in_archive: bool
    lane: Lane
    stored: int
    """Documents of it that were stored before; they are passed over."""
    attempts: int
    """How many parsers have held it, this one included."""
    traceparent: str | None = None
    """Of the request that brought it, if that was traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIssue:
    """A part of a file that was left out."""

    where: str
    """Such as `row 12`."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReading:
    """What was noticed while a file was read."""

    kind: FileKind
    encoding: str | None = None
    """Of a text; a guess, unless the file says so."""
    skipped: int = 0
    """Rows or members that were left out."""
    issues: tuple[FileIssue, ...] = ()
    """The first of them."""
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Of the columns of a table."""
    columns: Columns | None = None
    """What they were taken for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """What a file says of one document, not checked yet: it comes from a process that may lie."""

    document: Mapping[str, Json]
    """`id`, `title`, `text`, `metadata`; `id` may be missing or empty."""
    suffix: str = ""
    """Put behind the file's name, it is the id of a document that has none."""
    where: str = ""
    """Which part of the file it is, in words; empty if it is all of it."""
    file_kind: FileKind
    place_kind: PlaceKind | None = None
    marks: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMember:
    """A file that was taken out of an archive."""

    name: str
    """In the archive."""
    place: str
    """Name of the unpacked file in the scratch folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOrder:
    """What is to be read, and how."""

    name: str
    columns: Columns = Columns()
    in_archive: bool = False
    most: int | None = None
    """Documents to stop after; None for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadReport:
    """One file of a job, for whoever asks what became of it."""

    id: str
    name: str
    size: int
    state: UploadState
    kind: FileKind | None
    """None until it was looked into."""
    encoding: str | None
    documents: int
    skipped: int
    fault: FileFault | None
    error: str | None
    issues: tuple[FileIssue, ...]
    warnings: tuple[str, ...]
    accepted_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRetried:
    """What became of the failed files of a job that were retried."""

    waiting: int
    """They will be read again."""
    gone: tuple[str, ...]
    """Names of those whose bytes are not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The file that a document's newest text was read from, if it is kept."""

    name: str
    media_type: str
    bytes: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCounts:
    """The files of a job by state."""

    states: Mapping[UploadState, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """Those that were parsed, failed or cancelled."""
        return sum(count for state, count in self.states.items() if state.finished)

    @property
    def waiting(self) -> int:
        """Those that are still to be parsed."""
        return self.total - self.done
