"""What users look up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.filters import Filter
from shared.domain.uploads import FileCounts, Origin
from shared.domain.values import Metadata, RevisionKind, State, VersionKind
from shared.domain.work import ChunkSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReport:
    """One revision of a document, for a user who asks what became of it."""

    id: str
    revision_id: int
    kind: RevisionKind
    state: State
    title: str
    text: str
    metadata: Metadata
    warnings: tuple[str, ...]
    error: str | None
    job_id: str | None
    """None once the job was forgotten."""
    version: int | None
    """First version that holds it."""
    accepted_at: float
    claimed_at: float | None
    encoded_at: float | None
    published_at: float | None
    first_loaded_at: float | None
    chunks: tuple[ChunkSpan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents to list."""

    version: int | None = None
    """As this version holds them; None for their newest revisions."""
    state: State | None = None
    warned: bool | None = None
    """Whether there are warnings."""
    prefix: str = ""
    """What the id begins with."""
    where: Filter | None = None
    """On the metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLine:
    """A document in a list, without its text."""

    id: str
    revision_id: int
    kind: RevisionKind
    state: State
    title: str
    beginning: str
    """Of the text, where there is no title to go by; empty where there is one."""
    metadata: Metadata
    characters: int
    """Of title and text."""
    warnings: tuple[str, ...]
    error: str | None
    job_id: str | None
    version: int | None
    """First version that holds it."""
    accepted_at: float
    published_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    """A part of a list of documents, in the order of their ids."""

    documents: tuple[DocumentLine, ...]
    next_cursor: str | None
    """The id behind which to go on; a page may be short, or empty, and still have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobIssue:
    """An error or a warning of one document in a job."""

    document: str
    message: str
    of_file: bool = False
    """It is about a file, whose name `document` is, and no document of that id may be there."""


class JobKind(StrEnum):
    """Kinds of jobs to look for; a job may be of several."""

    WAITING = "waiting"
    """No worker has taken any of its documents yet."""
    RUNNING = "running"
    """Begun, and not done."""
    DONE = "done"
    """Every document is settled, whichever way."""
    CANCELLED = "cancelled"
    """Somebody cancelled it."""
    FAILED = "failed"
    """A document failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list."""

    kind: JobKind | None = None
    since: float | None = None
    """Accepted then or later."""
    until: float | None = None
    """Accepted before."""
    behind: tuple[float, str] | None = None
    """Accepted before the job of this time and id: where an earlier page ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """One submission and how far its documents are."""

    id: str
    collection: str
    source: str
    key: str | None
    accepted_at: float
    counts: Mapping[State, int]
    version: int | None
    """The newest version that holds documents of the job."""
    claimed_at: float | None
    """First claim."""
    encoded_at: float | None
    """Last encoding."""
    published_at: float | None
    """Last publishing."""
    first_loaded_at: float | None
    """When a reader first loaded the version above."""
    errors: tuple[JobIssue, ...] = ()
    warnings: tuple[JobIssue, ...] = ()
    producer: str = ""
    """Who of the source sent it, as it says itself."""
    extra: Metadata = field(default_factory=dict)
    """Fields that came with it and mean nothing here."""
    cancelled_at: float | None = None
    """When it was first cancelled; what a worker held then ran on."""
    growing: bool = False
    """More documents will be added to it: a delete by filter is carried out in steps."""
    files: FileCounts = field(default_factory=FileCounts)
    """Files that its documents are read from."""

    @property
    def total(self) -> int:
        """Documents in the job."""
        return sum(self.counts.values())

    @property
    def finished(self) -> bool:
        """Whether every document is indexed, failed or otherwise settled."""
        waits = any(count and not state.finished for state, count in self.counts.items())
        return not waits and not self.growing and not self.files.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReport:
    """One version, for a list of versions."""

    version: int
    kind: VersionKind
    published_at: float
    documents: int
    vectors: int
    segments: int
    first_loaded_at: float | None
    bytes: int = 0
    """Size of its segments; versions share most of them."""
    parent: int | None = None
    expired: bool = False
    """Whether the retention rule let it go: it can no longer be searched or restored."""
    tags: tuple[str, ...] = ()
    restored: int | None = None
    """The version it is equal to, if it restored one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDocument:
    """A document as one version holds it, for an archive."""

    id: str
    title: str
    text: str
    metadata: Metadata
    external_version: int | None
    chunks: tuple[ChunkSpan, ...]
    origin: Origin | None = None
    """The file that it was read from."""
    has_original: bool = False
    """The bytes of that file are kept; no archive carries them."""
