"""The words of Lamina as frozen values. They know nothing of databases, files or HTTP.

Times are seconds since 1970 (UTC), read from the catalog's clock. Vector ids, revision ids
and versions only grow and are never reused.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Metadata: TypeAlias = Mapping[str, Json]
Vectors: TypeAlias = NDArray[np.float32]  # (rows, dimension)
Ids: TypeAlias = NDArray[np.int64]  # (rows,)
Positions: TypeAlias = NDArray[np.uint32]  # rising positions of vectors inside one segment


def sha256_of(value: Json) -> str:
    """Return the sha256 of *value* as canonical JSON, hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Metric(StrEnum):
    """How two vectors are compared."""

    COSINE = "cosine"
    INNER_PRODUCT = "ip"
    L2 = "l2"

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score means a closer match (false for the L2 distance)."""
        return self is not Metric.L2

    @property
    def meaning(self) -> str:
        """What a score is, in words for a user."""
        return {
            Metric.COSINE: "cosine similarity, -1 to 1, higher is closer",
            Metric.INNER_PRODUCT: "inner product, higher is closer",
            Metric.L2: "Euclidean distance, 0 or more, lower is closer",
        }[self]


class Lane(IntEnum):
    """Who goes first: a person who waits, a bulk load, a rebuild."""

    INTERACTIVE = 0
    BULK = 1
    REBUILD = 2


class State(StrEnum):
    """Where a revision stands."""

    PENDING = "pending"
    CLAIMED = "claimed"
    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    """The live revision already says the same; nothing was encoded."""
    SUPERSEDED = "superseded"
    """A newer revision of the same document was published first."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    """A restore went back to a version older than this revision."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to the revision by itself."""
        return self not in (State.PENDING, State.CLAIMED)


class RevisionKind(StrEnum):
    """What a revision does to its document."""

    PUT = "put"
    DELETE = "delete"


class VersionKind(StrEnum):
    """What made a version."""

    CREATE = "create"
    COMMIT = "commit"
    """Documents were added, changed or deleted."""
    MERGE = "merge"
    RESTORE = "restore"


class ChunkingMode(StrEnum):
    """What happens to a text longer than the encoder can read at once."""

    PASSAGES = "passages"
    """Cut at paragraph and sentence borders, with overlap; nothing is lost."""
    NONE = "none"
    """One passage a document; what does not fit is cut off, with a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunking:
    """How documents of a space are cut into passages."""

    mode: ChunkingMode = ChunkingMode.PASSAGES
    max_tokens: int | None = None
    """Tokens of a passage, title and special tokens included; at most (and by default) what
    the encoder reads."""
    overlap_tokens: int = 32
    """Tokens that a passage repeats of the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCard:
    """What is known of an installed encoder without loading it."""

    name: str
    fingerprint: str
    """sha256 over everything that changes a vector."""
    dimension: int
    max_tokens: int
    metric: Metric = Metric.COSINE
    """What the model was trained for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceDraft:
    """What a new collection's space shall be."""

    encoder: EncoderCard
    metric: Metric
    chunking: Chunking


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Encoder + metric + chunking; vectors of two spaces never meet."""

    id: int
    encoder: str
    fingerprint: str
    dimension: int
    metric: Metric
    chunking: Chunking


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A named set of documents and its live space."""

    id: int
    name: str
    created_at: float
    space: Space


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionStats:
    """A collection in numbers, as of its head."""

    collection: Collection
    version: int
    published_at: float
    documents: int
    vectors: int
    segments: int
    bytes: int
    waiting: int
    """Accepted revisions not yet finished."""


# --- submission -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document as a producer sends it, already validated."""

    id: str
    title: str = ""
    text: str = ""
    metadata: Metadata = field(default_factory=dict)
    kind: RevisionKind = RevisionKind.PUT
    external_version: int | None = None

    @property
    def text_sha256(self) -> str:
        """Of title and text: what the encoder sees."""
        return sha256_of([self.title, self.text])

    @property
    def content_sha256(self) -> str:
        """Of title, text and metadata."""
        return sha256_of([self.title, self.text, self.metadata])


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """How much a document or a request of documents may hold; see `LimitSettings`."""

    documents: int
    id_characters: int
    title_characters: int
    text_characters: int
    metadata_bytes: int
    metadata_depth: int
    key_characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Documents that one producer hands over together."""

    collection: str
    source: str
    """Who sends: `api`, `form`, or the name of a queue."""
    documents: tuple[NewDocument, ...]
    key: str | None = None
    """The producer's idempotency key; belongs to the collection and the source."""
    content_sha256: str = ""
    """Of the documents as sent, so that a reused key with other content is noticed."""
    lane: Lane = Lane.INTERACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A message that was not accepted, kept with its reason."""

    source: str
    raw: bytes
    reason: str
    """A short code: `not-json`, `bad-envelope`, `bad-payload`, `no-such-collection`, …"""
    detail: str
    collection: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer to an accepted submission."""

    job_id: str
    documents: tuple[tuple[str, State], ...]
    repeated: bool = False
    """The key was seen before with the same content; this is the first answer again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptEntry:
    """What became of one message with a given key."""

    key: str
    collection: str | None
    source: str
    status: str
    """`accepted` or `rejected`."""
    job_id: str | None
    reason: str | None
    detail: str | None
    received_at: float


# --- work -----------------------------------------------------------------------------------


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


# --- the index ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletes:
    """Which positions of a segment are dead: a file of its own, never edited."""

    file: str
    sha256: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An immutable layer of vectors as one manifest lists it."""

    id: str
    space_id: int
    rows: int
    min_id: int
    max_id: int
    bytes: int
    sha256: str
    """Of its `segment.json`, which holds the checksum of every other file."""
    deletes: Deletes | None = None

    @property
    def live(self) -> int:
        """Vectors that are not deleted."""
        return self.rows - (self.deletes.count if self.deletes else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One version: the exact segments and delete sets that a search of it reads."""

    collection_id: int
    version: int
    space_id: int
    """The live space; a search reads only its segments."""
    dimension: int
    metric: Metric
    kind: VersionKind
    attempt_id: str
    parent_sha256: str | None
    segments: tuple[Segment, ...] = ()

    @classmethod
    def empty(cls, collection: Collection) -> Self:
        """Return version 0 of a collection: the only one without a file."""
        return cls(
            collection_id=collection.id,
            version=0,
            space_id=collection.space.id,
            dimension=collection.space.dimension,
            metric=collection.space.metric,
            kind=VersionKind.CREATE,
            attempt_id="",
            parent_sha256=None,
        )

    @property
    def live(self) -> int:
        """Live vectors in all segments."""
        return sum(segment.live for segment in self.segments)

    @property
    def rows(self) -> int:
        """Vectors in all segments, dead ones too."""
        return sum(segment.rows for segment in self.segments)

    @property
    def bytes(self) -> int:
        """Size of all segments on disk."""
        return sum(segment.bytes for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a version's manifest is, and the checksum it must have."""

    collection_id: int
    version: int
    manifest_file: str
    manifest_sha256: str
    published_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything one publishing transaction writes, all of it or none of it."""

    attempt: Attempt
    parent: Head
    manifest: Manifest | None
    """None when nothing changes in the index (all unchanged, failed or superseded)."""
    manifest_file: str = ""
    manifest_sha256: str = ""
    claim_id: int | None = None
    outcomes: tuple[Outcome, ...] = ()
    new_segments: tuple[Segment, ...] = ()


# --- search ---------------------------------------------------------------------------------


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


# --- reports --------------------------------------------------------------------------------


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
    job_id: str
    version: int | None
    """First version that holds it."""
    accepted_at: float
    claimed_at: float | None
    encoded_at: float | None
    published_at: float | None
    first_loaded_at: float | None
    chunks: tuple[ChunkSpan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobIssue:
    """An error or a warning of one document in a job."""

    document: str
    message: str


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

    @property
    def total(self) -> int:
        """Documents in the job."""
        return sum(self.counts.values())

    @property
    def finished(self) -> bool:
        """Whether every document is indexed, failed or otherwise settled."""
        return all(state.finished or not count for state, count in self.counts.items())


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
