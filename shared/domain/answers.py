"""What a search returns."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.uploads import FilePlace, Origin
from shared.domain.values import Metadata, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageRecord:
    """What the catalog knows of one vector: its passage and the document revision behind it."""

    vector_id: int
    document_id: int
    revision_id: int
    external_id: str
    title: str
    passage: str
    start: int
    end: int
    metadata: Metadata
    origin: Origin | None = None
    """The file that the text was read from, if it was."""

    @property
    def place(self) -> FilePlace | None:
        """Where in its file the passage stands."""
        return self.origin.place(self.start, self.end) if self.origin else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageHit:
    """A passage of a document found: `text[start:end]`."""

    score: float
    passage: str
    start: int
    end: int
    vector: tuple[float, ...] | None = None
    """As it is stored, where it was asked for."""
    place: FilePlace | None = None
    """Where in a file it stands, if the document was read from one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A document found, by its best passage."""

    id: str
    score: float
    title: str
    passage: str
    start: int
    end: int
    metadata: Metadata
    vector: tuple[float, ...] | None = None
    """Of the best passage as it is stored, where it was asked for."""
    passages: tuple[PassageHit, ...] = ()
    """The best ones, the best first, where more than one was asked for."""
    place: FilePlace | None = None
    """Where in a file the best passage stands, if the document was read from one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterJob:
    """Whether a search saw the job it was asked to wait for."""

    job: str
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The answer to one query."""

    collection: str
    version: int
    published_at: float
    waiting: int
    metric: Metric
    took_ms: Mapping[str, float]
    hits: tuple[Hit, ...]
    warnings: tuple[str, ...] = ()
    after: AfterJob | None = None
    cursor: str | None = None
    """Where the next documents begin, if there may be more."""
