"""What workers claim, encode and propose."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.spaces import Space
from shared.domain.values import Lane, Metadata, RevisionKind, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An immutable state of a document, as a worker claims it."""

    id: int
    collection_id: int
    document_id: int
    external_id: str
    kind: RevisionKind
    title: str
    text: str
    metadata: Metadata
    content_sha256: str
    """Of title, text and metadata."""
    text_sha256: str
    """Of title and text: what the encoder sees."""
    lane: Lane
    crashes: int
    """How many claims holding it ended in a dead worker."""
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Revisions one worker took together, under one lease. Its id is the fencing epoch."""

    id: int
    revisions: tuple[Revision, ...]
    spaces: Mapping[int, Space]
    """Live space by collection id, for every collection in the claim."""
    more: bool
    """Whether more work of these lanes was left behind."""
    closed_by: str
    """Why it is not larger: `drained`, `tokens`, `documents`, `suspect`."""


@dataclass(frozen=True, slots=True)
class TracedJob:
    """Where a job comes from that belongs to a trace."""

    traceparent: str
    accepted_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A part of a revision's text that the encoder can read, before it has a vector id.

    `text[start:end]` of the document is the passage; `input` is what the encoder reads (title,
    a blank line, passage).
    """

    start: int
    end: int
    tokens: int
    """Tokens the encoder will read, special tokens included."""
    input: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunked:
    """A document cut into passages, and what the user must be told."""

    passages: tuple[Passage, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRecord:
    """One forward pass."""

    rows: int
    tokens: int
    padded_tokens: int
    """rows x longest row: what was computed."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRecord:
    """How a claim went; kept so that an operator can see batches."""

    documents: int
    chunks: int
    passes: tuple[PassRecord, ...]
    closed_by: str

    @property
    def tokens(self) -> int:
        """Tokens encoded."""
        return sum(one.tokens for one in self.passes)

    @property
    def padding_waste(self) -> float:
        """Share of computed tokens that were padding, 0 to 1."""
        padded = sum(one.padded_tokens for one in self.passes)
        return 1 - self.tokens / padded if padded else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Encoding speed; 0 when nothing was encoded."""
        seconds = sum(one.seconds for one in self.passes)
        return self.tokens / seconds if seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSpan:
    """A passage that has its vector."""

    vector_id: int
    start: int
    end: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a commit records for one claimed revision."""

    revision: Revision
    state: State
    """INDEXED, UNCHANGED, SUPERSEDED, FAILED; PENDING gives it back."""
    chunks: tuple[ChunkSpan, ...] = ()
    error: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRevision:
    """What is live of a document at the head."""

    revision_id: int
    kind: RevisionKind
    content_sha256: str
    text_sha256: str
    chunks: tuple[ChunkSpan, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One registered try to publish. Every file name starts with its id."""

    id: str
    collection_id: int
    first_vector_id: int
    """First of the vector ids reserved for it."""
    started_at: float = 0.0
    """When it was registered, by the catalog's clock."""
