"""Find documents by meaning, as of one version."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from shared.domain import AfterJob, Collection, Hit, JobReport, SearchResult, Space, Vectors
from shared.errors import InvalidRequest, JobNotFound, Overloaded
from shared.indexing.vectors import prepare
from shared.measures.instruments import SEARCH_STAGE
from shared.measures.tally import Level, Tally
from shared.ports import Collections, Matching, Reading, Records
from shared.searching.batching import QueryBatcher
from shared.searching.checks import check_any, check_for, check_vectors, pin
from shared.searching.cursors import Cursor, manifest_of, question_of
from shared.searching.hits import show
from shared.searching.narrowing import Narrowing
from shared.searching.queries import BatchRequest, Moment, Query, SearchLimits, SearchRequest
from shared.searching.ranking import Page, Ranking
from shared.searching.recall import RecallSampler
from shared.searching.snapshots import Opened, Snapshots

__all__ = ["BatchRequest", "Moment", "Query", "SearchRequest", "Searcher", "search", "search_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What a search works with."""

    collections: Collections
    reading: Reading
    matching: Matching
    records: Records
    snapshots: Snapshots
    narrowing: Narrowing
    queries: QueryBatcher
    recall: RecallSampler
    query_characters: int
    max_k: int
    after_seconds: float
    waiters: threading.BoundedSemaphore
    limits: SearchLimits
    tally: Tally = field(default_factory=Tally)
    in_flight: Level = field(default_factory=Level)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with what asks: a vector, `(1, dimension)`."""

    query: Query
    vector: Vectors
    cut: bool
    """Whether the end of its words was cut off."""
    without: int | None
    """A document to leave out."""
    cursor: Cursor | None


def search(searcher: Searcher, request: SearchRequest) -> SearchResult:
    """Return the documents whose best passage is closest to the question.

    Raises:
        InvalidRequest: what is asked is not valid, or too much.
        CollectionNotFound, VersionNotFound, VersionExpired, JobNotFound
        DocumentNotFound: there is no document as asked by `like`.
        Overloaded: too many searches wait for a job.
        CorruptFile, Retryable: the version cannot be read now.
    """
    with searcher.in_flight:
        return _search(searcher, request.collection, [request], request, [""])[0]


def search_all(searcher: Searcher, request: BatchRequest) -> tuple[SearchResult, ...]:
    """Return the answers to several questions, in their order, all at one version.

    Words are encoded together. If one question is not valid none is asked, and all that is wrong
    is told at once.

    Raises:
        InvalidRequest, CollectionNotFound, VersionNotFound, VersionExpired, JobNotFound,
        DocumentNotFound, Overloaded, CorruptFile, Retryable: as from `search`.
    """
    most = searcher.limits.queries
    if not 1 <= len(request.queries) <= most:
        raise InvalidRequest(f"A request holds 1 to {most} queries, not {len(request.queries)}.")
    pointers = [f"/queries/{place}" for place in range(len(request.queries))]
    with searcher.in_flight:
        return _search(searcher, request.collection, request.queries, request, pointers)


def _search(
    searcher: Searcher,
    name: str,
    queries: Sequence[Query],
    moment: Moment,
    pointers: Sequence[str],
) -> tuple[SearchResult, ...]:
    check(searcher, queries, pointers)
    collection = searcher.collections.get(name)
    # An old version may be of another space than the newest.
    newest = moment.version is None and not any(one.cursor for one in queries)
    space = collection.space if newest else None
    depth = searcher.limits.depth
    cursors = check_for(collection, queries, pointers, depth=depth, space=space)
    moment = pin(moment, cursors, pointers)
    took: dict[str, float] = {}
    with _timed(took, "wait"):
        opened, after = _choose(searcher, collection, moment)
    space = space_of(searcher, collection, opened)
    check_vectors(space, queries, pointers)
    for cursor in cursors:
        if cursor:
            cursor.check_version(opened.head)
    with _timed(took, "encode"):
        asked = _prepare(searcher, space, opened, queries, cursors)
    with _timed(took, "search"), searcher.recall.searching():
        pages = [_rank(searcher, opened, one, moment) for one in asked]
    with _timed(took, "fetch"):
        shown = [
            show(searcher.reading, searcher.matching, opened.snapshot, page, one.query, one.vector)
            for one, page in zip(asked, pages, strict=True)
        ]
        waiting = searcher.reading.waiting(collection.id)
    took["total"] = round(sum(took.values()), 3)
    for stage, milliseconds in took.items():
        searcher.tally.observe(SEARCH_STAGE, milliseconds / 1000, stage=stage)
    result = SearchResult(
        collection=collection.name,
        version=opened.head.version,
        published_at=opened.head.published_at,
        waiting=waiting,
        metric=opened.snapshot.manifest.metric,
        took_ms=took,
        hits=(),
        after=after,
    )
    return tuple(
        _with_hits(result, searcher, collection, opened, one, page, hits)
        for one, page, hits in zip(asked, pages, shown, strict=True)
    )


def check(searcher: Searcher, queries: Sequence[Query], pointers: Sequence[str]) -> None:
    """Refuse questions that no collection could answer.

    Raises:
        InvalidRequest: with a fault for each thing wrong; *pointers* say where each question is.
    """
    check_any(
        queries,
        pointers,
        query_characters=searcher.query_characters,
        max_k=searcher.max_k,
        limits=searcher.limits,
    )


def _with_hits(
    result: SearchResult,
    searcher: Searcher,
    collection: Collection,
    opened: Opened,
    asked: _Asked,
    page: Page,
    hits: tuple[Hit, ...],
) -> SearchResult:
    warnings = warnings_of(opened, cut=asked.cut)
    end = (asked.cursor.offset if asked.cursor else 0) + len(page.documents)
    cursor = None
    if page.more and end >= searcher.limits.depth:
        warnings += (f"Only the first {end} documents can be paged through; ask more narrowly.",)
    elif page.more and page.documents:
        cursor = Cursor(
            version=opened.head.version,
            manifest=manifest_of(opened.head),
            question=question_of(collection, asked.query),
            depth=page.depth,
            offset=end,
        ).written()
    return replace(result, hits=hits, warnings=warnings, cursor=cursor)


def _prepare(
    searcher: Searcher,
    space: Space,
    opened: Opened,
    queries: Sequence[Query],
    cursors: Sequence[Cursor | None],
) -> list[_Asked]:
    """Return the questions with what asks; words are encoded together."""
    metric = space.metric
    # What may not be found is looked for before anything costs time.
    like = {one.like: _of_document(searcher, opened, one.like) for one in queries if one.like}
    words = list(dict.fromkeys(one.query for one in queries if one.query is not None))
    encoded = searcher.queries.encode(space.fingerprint, words)
    known = dict(zip(words, encoded, strict=True))
    asked = []
    for query, cursor in zip(queries, cursors, strict=True):
        cut, without = False, None
        if query.query is not None:
            vector, cut = known[query.query]
        elif query.vector is not None:
            vector = np.array(query.vector, dtype=np.float32)
        else:
            without, vector = like[query.like or ""]
        prepared = prepare(np.asarray(vector, dtype=np.float32).reshape(1, -1), metric)
        asked.append(_Asked(query, prepared, cut, without, cursor))
    return asked


def _of_document(searcher: Searcher, opened: Opened, external_id: str) -> tuple[int, Vectors]:
    """Return a document's id and the mean of its passages' vectors, `(dimension,)`."""
    manifest = opened.snapshot.manifest
    document_id, ids = searcher.matching.document(
        manifest.collection_id,
        external_id,
        space_id=manifest.space_id,
        version=opened.head.version,
    )
    return document_id, opened.snapshot.vectors(ids).mean(axis=0)


def _rank(searcher: Searcher, opened: Opened, asked: _Asked, moment: Moment) -> Page:
    query, snapshot = asked.query, opened.snapshot
    if query.where is not None:
        snapshot = searcher.narrowing.narrow(snapshot, query.where)
    ranking = Ranking(
        matching=searcher.matching,
        snapshot=snapshot,
        query=asked.vector,
        exact=query.exact,
        min_score=query.min_score,
        without=asked.without,
    )
    if asked.cursor:
        cursor = asked.cursor
        k = min(query.k, searcher.limits.depth - cursor.offset)
        return ranking.later(cursor.depth, cursor.offset, k)
    page = ranking.first(query.k)
    # A sample is of how well the whole index is laid out.
    if moment.version is None and not query.exact and query.where is None:
        searcher.recall.offer(snapshot, asked.vector, ranking.scores)
    return page


def space_of(searcher: Searcher, collection: Collection, opened: Opened) -> Space:
    """Return the space of an open version of a collection; the live one, or another."""
    space_id = opened.snapshot.manifest.space_id
    live = collection.space
    return live if space_id == live.id else searcher.collections.space(space_id)


def encode_query(searcher: Searcher, space: Space, text: str) -> tuple[Vectors, bool]:
    """Return the query's vector for a space, `(1, dimension)`, and whether it was cut.

    Raises:
        EncoderNotInstalled, CorruptFile: from loading the encoder.
    """
    ((vector, cut),) = searcher.queries.encode(space.fingerprint, [text])
    return prepare(np.asarray(vector, dtype=np.float32).reshape(1, -1), space.metric), cut


def find(searcher: Searcher, opened: Opened, query: Vectors, k: int) -> tuple[Hit, ...]:
    """Return the best *k* documents of an open version for an encoded query, best first.

    Looks at every vector, so that two versions can be compared however each is laid out.
    """
    ranking = Ranking(matching=searcher.matching, snapshot=opened.snapshot, query=query, exact=True)
    page = ranking.first(k)
    return show(searcher.reading, searcher.matching, opened.snapshot, page, Query(), query)


def _choose(
    searcher: Searcher, collection: Collection, moment: Moment
) -> tuple[Opened, AfterJob | None]:
    """Return the snapshot to search, waiting for a job if the request names one."""
    snapshots = searcher.snapshots
    if moment.version is not None:
        return snapshots.at(collection.id, moment.version), None
    least = moment.min_version or 0
    after = None
    if moment.after is not None:
        job, done = _await_job(searcher, collection, moment.after)
        after = AfterJob(job=job.id, done=done)
        if done and job.version is not None:
            least = max(least, job.version)
    opened = snapshots.at_least(collection.id, least)
    if after and opened.head.version < least:
        after = replace(after, done=False)  # the version is damaged; an older one is read
    return opened, after


def _await_job(searcher: Searcher, collection: Collection, job_id: str) -> tuple[JobReport, bool]:
    job = searcher.records.job(job_id, issues=0)
    if job.collection != collection.name:
        # In the words for a job that is nowhere: whoever asks may not know the other collection.
        raise JobNotFound(f"There is no job {job_id!r}.")
    if job.finished:
        return job, True
    if not searcher.waiters.acquire(blocking=False):
        raise Overloaded("Too many searches wait for a job; search without `after`.")
    try:
        searcher.snapshots.wait(
            lambda: searcher.records.job(job_id, issues=0).finished, searcher.after_seconds
        )
    finally:
        searcher.waiters.release()
    job = searcher.records.job(job_id, issues=0)
    return job, job.finished


def warnings_of(opened: Opened, *, cut: bool) -> tuple[str, ...]:
    """Return what a reader of the answer should know."""
    warnings = ["The query was longer than the encoder reads; its end was cut off."] if cut else []
    if opened.behind:
        warnings.append(opened.behind)
    return tuple(warnings)


@contextmanager
def _timed(took: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    took[stage] = round(1000 * (time.perf_counter() - started), 3)
