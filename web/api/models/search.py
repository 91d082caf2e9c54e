"""Searching."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import ConfigDict, Field, RootModel

from shared.domain import FilePlace, Hit, Metric, PassageHit, PlaceKind, SearchResult
from shared.domain.filters import FilterLimits
from shared.filters import read_json
from shared.searching.queries import BatchRequest, Moment, Query, SearchRequest
from web.api.models.base import Question, Shape, Text, Time, VersionRef, WholeNumber
from web.api.models.fields import Chosen


class _QueryShape(Question):
    """What is looked for."""

    q: Text | None = None
    """The query, in words."""

    like: Text | None = None
    """In place of words: the id of a document to find others like; the mean of its vectors asks."""

    k: int = Field(default=10, ge=1)
    """How many documents to return."""

    min_score: float | None = None
    """Nothing worse than this: scores of at least so much, or for `l2` of at most so much."""

    passages: int = Field(default=1, ge=1)
    """How many of the best passages of each document to return, in `passages` of a hit."""

    vectors: bool = False
    """Return the vector of each hit, as it is stored."""

    exact: bool = False
    """Look at every vector, however the index is laid out."""

    cursor: Text | None = None
    """`cursor` of the answer to the same question: go on where that ended, at its version."""


class _MomentShape(Question):
    """At which version."""

    version: VersionRef | None = None
    """Search exactly this version, by number or tag; not together with `min_version` or `after`."""

    min_version: WholeNumber | None = None
    """Search a version not older than this, for readings that never go back in time."""

    after: Text | None = None
    """Id of a job to wait for (up to a limit), so that its documents are seen."""

    def moment(self, version: int | None) -> Moment:
        """Return the moment in the domain's words; *version* is the one that was named."""
        return Moment(version=version, min_version=self.min_version, after=self.after)


class SearchQuery(_QueryShape, _MomentShape):
    """What is looked for, and at which version."""

    filter: Text | None = None
    """Only documents whose metadata match, such as `year >= 2020 and not exists(draft)`."""

    fields: Text | None = None
    """Fields of a hit to return, such as `id,title,metadata.year`; all by default."""


class QueryBody(_QueryShape):
    """One of several questions."""

    model_config = ConfigDict(strict=True)

    vector: list[float] | None = None
    """In place of words: a vector, as the collection's encoder would make it of a query."""

    filter: dict[str, Any] | Text | None = None
    """Only documents whose metadata match: in words, or as a tree such as
    `{"and": [{">=": ["year", 2020]}, {"in": ["lang", ["en", "fr"]]}]}`."""

    fields: list[Text] | Text | None = None
    """Fields of a hit to return, such as `["id", "title", "metadata.year"]`; all by default."""


class SearchBody(QueryBody, _MomentShape):
    """What is looked for, and at which version, as JSON: one question, or several `queries`."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {"q": "why does the sea rise", "k": 5, "filter": 'lang = "en" and year >= 2020'},
                {
                    "queries": [
                        {"q": "tides", "fields": ["id", "score"]},
                        {"like": "a1", "filter": {"not": {"exists": "draft"}}},
                    ],
                    "version": "newest",
                },
            ]
        },
    )

    queries: list[QueryBody] | None = None
    """Several questions in place of one, all answered from one version. If one of them is not
    valid, none is asked."""


def read_query(asked: SearchQuery | QueryBody, limits: FilterLimits, pointer: str) -> Query:
    """Return a question in the domain's words.

    Raises:
        InvalidRequest: the filter says none.
    """
    where = asked.filter
    vector = getattr(asked, "vector", None)
    return Query(
        query=asked.q,
        vector=None if vector is None else tuple(vector),
        like=asked.like,
        k=asked.k,
        where=None if where is None else read_json(where, limits, pointer=f"{pointer}/filter"),
        min_score=asked.min_score,
        passages=asked.passages,
        vectors=asked.vectors,
        exact=asked.exact,
        cursor=asked.cursor,
    )


def single(collection: str, query: Query, moment: Moment) -> SearchRequest:
    """Return the request of one question."""
    return SearchRequest(collection=collection, **vars(query), **vars(moment))


def several(collection: str, queries: Sequence[Query], moment: Moment) -> BatchRequest:
    """Return the request of several questions."""
    return BatchRequest(collection=collection, queries=queries, **vars(moment))


class PlaceShape(Shape):
    """Where in the file that a document was read from a passage stands."""

    file: str
    kind: PlaceKind | None
    """`page`, `heading`, `row` or `line`; null where the file has no parts."""
    first: str
    """Number of the page, row or line, or the heading; empty where there is none."""
    last: str
    """The same, unless the passage goes on into another."""
    words: str
    """Such as `page 3`."""

    @classmethod
    def of(cls, place: FilePlace) -> Self:
        """Return what the API shows of a place."""
        return cls(
            file=place.file,
            kind=place.kind,
            first=place.first,
            last=place.last,
            words=place.words,
        )


class PassageShape(Shape):
    """A passage of a document: `text[start:end]`."""

    score: float
    passage: str
    start: int
    end: int
    vector: list[float] | None = None
    """Only when vectors were asked for."""
    place: PlaceShape | None = None
    """Only where the document was read from a file."""

    @classmethod
    def of(cls, passage: PassageHit) -> Self:
        """Return what the API shows of a passage."""
        values: dict[str, Any] = {
            "score": passage.score,
            "passage": passage.passage,
            "start": passage.start,
            "end": passage.end,
        }
        if passage.vector is not None:
            values["vector"] = list(passage.vector)
        if passage.place is not None:
            values["place"] = PlaceShape.of(passage.place)
        return cls(**values)


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


class ChosenHitShape(Shape):
    """A document found, by its best passage: `text[start:end]`. Only the fields asked for."""

    id: str = ""
    score: float = 0.0
    title: str = ""
    passage: str = ""
    start: int = 0
    end: int = 0
    metadata: dict[str, Any] = Field(default_factory=dict)
    place: PlaceShape | None = None
    """Of the passage; only where the document was read from a file."""
    vector: list[float] | None = None
    """Of the passage; only when vectors were asked for."""

    passages: list[PassageShape] = Field(default_factory=list)
    """The best ones, the best first; only when more than one was asked for."""

    @classmethod
    def of(cls, hit: Hit, chosen: Chosen) -> Self:
        """Return what the API shows of a hit."""
        values: dict[str, Any] = {
            "id": hit.id,
            "score": hit.score,
            "title": hit.title,
            "passage": hit.passage,
            "start": hit.start,
            "end": hit.end,
            "metadata": chosen.metadata(hit.metadata),
        }
        if hit.vector is not None:
            values["vector"] = list(hit.vector)
        if hit.place is not None:
            values["place"] = PlaceShape.of(hit.place)
        if hit.passages:
            values["passages"] = [PassageShape.of(one) for one in hit.passages]
        return cls(**{name: value for name, value in values.items() if name in chosen.names})


class AfterShape(Shape):
    """Whether the search saw the job it was asked to wait for."""

    job: str
    done: bool


class _AnswerShape(Shape):
    """Which version of the collection was read."""

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
    after: AfterShape | None = None
    """Only when the search named a job."""


class ResultShape(Shape):
    """The documents found, best first."""

    hits: list[ChosenHitShape]
    warnings: list[str]
    cursor: str | None
    """Send it with the same question for the documents after these; null when there are none."""

    @classmethod
    def of(cls, result: SearchResult, chosen: Chosen) -> Self:
        """Return what the API shows of what one question found."""
        return cls(**_found(result, chosen))


class SearchAnswer(_AnswerShape, ResultShape):
    """The documents found, best first, and which version of the collection was read."""

    @classmethod
    def of(cls, result: SearchResult, chosen: Chosen) -> Self:
        """Return what the API shows of a result."""
        return cls(**_read(result), **_found(result, chosen))


class SearchAnswers(_AnswerShape):
    """What each of several questions found, in their order, all of one version."""

    results: list[ResultShape]

    @classmethod
    def of(cls, results: Sequence[SearchResult], chosen: Sequence[Chosen]) -> Self:
        """Return what the API shows of several results (at least one)."""
        shown = [ResultShape.of(*one) for one in zip(results, chosen, strict=True)]
        return cls(**_read(results[0]), results=shown)


class AnyAnswer(RootModel[SearchAnswer | SearchAnswers]):
    """The answer to one question, or to several."""


def _read(result: SearchResult) -> dict[str, Any]:
    values: dict[str, Any] = {
        "collection": result.collection,
        "version": result.version,
        "published_at": result.published_at,
        "waiting": result.waiting,
        "metric": result.metric,
        "score": result.metric.meaning,
        "took_ms": dict(result.took_ms),
    }
    if after := result.after:
        values["after"] = AfterShape(job=after.job, done=after.done)
    return values


def _found(result: SearchResult, chosen: Chosen) -> dict[str, Any]:
    return {
        "hits": [ChosenHitShape.of(hit, chosen) for hit in result.hits],
        "warnings": list(result.warnings),
        "cursor": result.cursor,
    }
