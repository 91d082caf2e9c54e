"""Collections, their spaces, and the encoders behind them."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.layouts import DEFAULT_INDEX_RULE, IndexRule
from shared.domain.retention import DEFAULT_RETENTION_RULE, RetentionRule
from shared.domain.values import Metric


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
    index: IndexRule = DEFAULT_INDEX_RULE
    retention: RetentionRule = DEFAULT_RETENTION_RULE
    keep_originals: bool = False
    """Whether the files that its documents were read from are kept, to be downloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedCollection:
    """A collection that can still be recovered."""

    id: int
    name: str
    """What it was called, which another collection may be by now."""
    deleted_at: float
    documents: int
    """As of its newest version."""
    bytes: int


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
