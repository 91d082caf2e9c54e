"""How two versions differ."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.answers import Hit
from shared.domain.values import Metric


class Change(StrEnum):
    """What became of a document between two versions."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentChange:
    """A document that differs between two versions."""

    id: str
    change: Change
    title_before: str | None
    """None where it was added."""
    title_after: str | None
    """None where it was removed."""
    text_changed: bool
    metadata_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """How a collection changed from one version to another."""

    collection: str
    before: int
    after: int
    added: int
    changed: int
    removed: int
    changes: tuple[DocumentChange, ...]
    """By document id; a page of them."""
    next_cursor: str | None = None
    """The last document id of the page when more follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMove:
    """Where one document stood for a query in two versions."""

    id: str
    title: str
    rank_before: int | None
    """From 1; None where it was not among the best k."""
    rank_after: int | None
    score_before: float | None
    score_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingDiff:
    """How the answer to a query moved between two versions, or between two queries."""

    collection: str
    query: str
    query_after: str
    """Asked of the later version; mostly the same."""
    before: int
    after: int
    moves: tuple[RankMove, ...]
    """By rank in the later version, then those that left."""
    hits_before: tuple[Hit, ...]
    hits_after: tuple[Hit, ...]
    metric: Metric
    warnings: tuple[str, ...] = ()
