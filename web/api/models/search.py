"""Searching."""

from typing import Any, Self

from pydantic import ConfigDict, Field

from shared.domain import Hit, Metric, SearchResult
from shared.searching.search import SearchRequest
from web.api.models.base import Question, Shape, Text, Time, VersionRef, WholeNumber


class SearchQuery(Question):
    """What is looked for, and at which version."""

    q: Text
    """The query, in words."""

    k: int = Field(default=10, ge=1)
    """How many documents to return."""

    version: VersionRef | None = None
    """Search exactly this version, by number or tag; not together with `min_version` or `after`."""

    min_version: WholeNumber | None = None
    """Search a version not older than this, for readings that never go back in time."""

    after: Text | None = None
    """Id of a job to wait for (up to a limit), so that its documents are seen."""

    exact: bool = False
    """Look at every vector, however the index is laid out."""

    def request(self, collection: str, version: int | None) -> SearchRequest:
        """Return the search in the domain's words; *version* is the one that was named."""
        return SearchRequest(
            collection=collection,
            query=self.q,
            k=self.k,
            version=version,
            min_version=self.min_version,
            after=self.after,
            exact=self.exact,
        )


class SearchBody(SearchQuery):
    """What is looked for, and at which version, as JSON."""

    model_config = ConfigDict(strict=True)


class HitShape(Shape):
    """A document found, by its best passage: `text[start:end]`."""

    id: str
    score: float
    title: str
    passage: str
    start: int
    end: int
    metadata: dict[str, Any]

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """Return what the API shows of a hit."""
        return cls(
            id=hit.id,
            score=hit.score,
            title=hit.title,
            passage=hit.passage,
            start=hit.start,
            end=hit.end,
            metadata=dict(hit.metadata),
        )


class AfterShape(Shape):
    """Whether the search saw the job it was asked to wait for."""

    job: str
    done: bool


class SearchAnswer(Shape):
    """The documents found, best first, and which version of the collection was read."""

    collection: str
    version: int
    published_at: Time
    """When that version was published."""
    waiting: int
    """Accepted documents that are not searchable yet."""
    metric: Metric
    score: str
    """What a score means."""
    took_ms: dict[str, float]
    """Milliseconds by stage."""
    hits: list[HitShape]
    warnings: list[str]
    after: AfterShape | None = None
    """Only when the search named a job."""

    @classmethod
    def of(cls, result: SearchResult) -> Self:
        """Return what the API shows of a result."""
        after = result.after
        return cls(
            collection=result.collection,
            version=result.version,
            published_at=result.published_at,
            waiting=result.waiting,
            metric=result.metric,
            score=result.metric.meaning,
            took_ms=dict(result.took_ms),
            hits=[HitShape.of(hit) for hit in result.hits],
            warnings=list(result.warnings),
            after=AfterShape(job=after.job, done=after.done) if after else None,
        )
