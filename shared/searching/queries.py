"""What can be asked, and how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.filters import Filter, FilterLimits


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question: by words, by a vector, or by a document to find others like."""

    query: str | None = None
    vector: tuple[float, ...] | None = None
    """In the place of words; as the encoder of the collection would make it."""
    like: str | None = None
    """Id of a document of the version searched; it is itself left out.

    The mean of its passages' vectors asks.
    """
    k: int = 10
    """Documents."""
    where: Filter | None = None
    min_score: float | None = None
    """Nothing worse than this: at least so similar, or at most so far."""
    passages: int = 1
    """At most so many passages of each document."""
    vectors: bool = False
    """Whether hits bring their vectors."""
    exact: bool = False
    """Look at every vector, however the index is laid out."""
    cursor: str | None = None
    """Go on where an answer to the same question ended."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Which version is searched; the newest if nothing is said."""

    version: int | None = None
    """Exactly this version."""
    min_version: int | None = None
    """Not older than this one, for readings that must not go back in time."""
    after: str | None = None
    """A job whose documents shall be seen; waited for up to a limit."""


@dataclass(frozen=True, kw_only=True)
class SearchRequest(Query, Moment):
    """One question to a collection."""

    collection: str


@dataclass(frozen=True, kw_only=True)
class BatchRequest(Moment):
    """Several questions to a collection, all answered from one version."""

    collection: str
    queries: Sequence[Query]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLimits:
    """How much can be asked; see `LimitSettings`."""

    filter: FilterLimits
    queries: int
    """In one request."""
    depth: int
    """Documents that can be paged through."""
    passages: int
    """That one request may ask for: of every query, k times passages."""
