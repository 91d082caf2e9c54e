"""Find documents by meaning, as of one version."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from shared.domain import (
    AfterJob,
    Collection,
    Hit,
    JobReport,
    PassageRecord,
    SearchResult,
    Vectors,
)
from shared.errors import InvalidRequest, Overloaded
from shared.indexing.vectors import prepare
from shared.ports import Collections, Reading, Records, Snapshot
from shared.searching.batching import QueryBatcher
from shared.searching.recall import RecallSampler
from shared.searching.snapshots import Opened, Snapshots

_OVERFETCH = 3
"""Passages asked for per hit at first; a document may own several of the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is looked for, and at which version."""

    collection: str
    query: str
    k: int = 10
    version: int | None = None
    """Exactly this version."""
    min_version: int | None = None
    """Not older than this one, for readings that must not go back in time."""
    after: str | None = None
    """A job whose documents shall be seen; waited for up to a limit."""
    exact: bool = False
    """Look at every vector, however the index is laid out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What a search works with."""

    collections: Collections
    reading: Reading
    records: Records
    snapshots: Snapshots
    queries: QueryBatcher
    recall: RecallSampler
    query_characters: int
    max_k: int
    after_seconds: float
    waiters: threading.BoundedSemaphore


def search(searcher: Searcher, request: SearchRequest) -> SearchResult:
    """Return the documents whose best passage is closest to the query.

    Raises:
        InvalidRequest: a blank or too long query, k out of range, version with after.
        CollectionNotFound, VersionNotFound, VersionExpired, JobNotFound
        Overloaded: too many searches wait for a job.
        CorruptFile, Retryable: the version cannot be read now.
    """
    _check(searcher, request)
    collection = searcher.collections.get(request.collection)
    took: dict[str, float] = {}
    with _timed(took, "wait"):
        opened, after = _choose(searcher, collection, request)
    manifest = opened.snapshot.manifest
    with _timed(took, "encode"):
        query, cut = encode_query(searcher, collection, request.query)
    with _timed(took, "search"), searcher.recall.searching():
        ranking = _Ranking(searcher.reading, opened.snapshot, query, exact=request.exact)
        ranked = ranking.best(request.k)
    if request.version is None and not request.exact:
        searcher.recall.offer(opened.snapshot, query, ranking.scores)
    with _timed(took, "fetch"):
        hits = tuple(_hit(record, score) for record, score in ranked)
        waiting = searcher.reading.waiting(collection.id)
    took["total"] = round(sum(took.values()), 3)
    return SearchResult(
        collection=collection.name,
        version=opened.head.version,
        published_at=opened.head.published_at,
        waiting=waiting,
        metric=manifest.metric,
        took_ms=took,
        hits=hits,
        warnings=warnings_of(opened, cut=cut),
        after=after,
    )


def check_query(searcher: Searcher, query: str, k: int) -> None:
    """Refuse a query that cannot be answered.

    Raises:
        InvalidRequest: it is blank or too long, or *k* is out of range.
    """
    if not query.strip():
        raise InvalidRequest("The query is blank.")
    if len(query) > searcher.query_characters:
        raise InvalidRequest(
            f"The query has {len(query)} characters; at most {searcher.query_characters}."
        )
    if not 1 <= k <= searcher.max_k:
        raise InvalidRequest(f"k must be 1 to {searcher.max_k}.")


def encode_query(searcher: Searcher, collection: Collection, text: str) -> tuple[Vectors, bool]:
    """Return the query's vector for the live space, `(1, dimension)`, and whether it was cut.

    Raises:
        EncoderNotInstalled, CorruptFile: from loading the encoder.
    """
    space = collection.space
    vector, cut = searcher.queries.encode(space.fingerprint, text)
    return prepare(np.asarray(vector, dtype=np.float32).reshape(1, -1), space.metric), cut


def find(searcher: Searcher, opened: Opened, query: Vectors, k: int) -> tuple[Hit, ...]:
    """Return the best *k* documents of an open version for an encoded query, best first.

    Looks at every vector, so that two versions can be compared however each is laid out.
    """
    ranking = _Ranking(searcher.reading, opened.snapshot, query, exact=True)
    return tuple(_hit(record, score) for record, score in ranking.best(k))


def _check(searcher: Searcher, request: SearchRequest) -> None:
    check_query(searcher, request.query, request.k)
    if request.version is not None and (request.after or request.min_version is not None):
        raise InvalidRequest("`version` names one version; it cannot go with `after`.")


def _choose(
    searcher: Searcher, collection: Collection, request: SearchRequest
) -> tuple[Opened, AfterJob | None]:
    """Return the snapshot to search, waiting for a job if the request names one."""
    snapshots = searcher.snapshots
    if request.version is not None:
        return snapshots.at(collection.id, request.version), None
    least = request.min_version or 0
    after = None
    if request.after is not None:
        job, done = _await_job(searcher, collection, request.after)
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
        raise InvalidRequest(f"Job {job_id} belongs to collection {job.collection!r}.")
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


@dataclass(slots=True)
class _Ranking:
    """One query against one snapshot."""

    reading: Reading
    snapshot: Snapshot
    query: Vectors
    """`(1, dimension)`."""
    exact: bool = field(kw_only=True)
    scores: Vectors = field(default_factory=lambda: np.empty(0, dtype=np.float32), init=False)
    """Of the passages that the index found last, best first."""

    def best(self, k: int) -> list[tuple[PassageRecord, float]]:
        """Return the best passage of each of the best *k* documents, best first.

        Asks for more passages until k documents are found or none are left.
        """
        live = self.snapshot.manifest.live
        records: Mapping[int, PassageRecord] = {}
        wanted = min(k * _OVERFETCH, live)
        while live:
            scores, ids = self.snapshot.search(self.query, wanted, exact=self.exact)
            self.scores = scores[0]
            unknown = [int(one) for one in ids[0] if int(one) not in records]
            records = {**records, **self.reading.passages(unknown)}
            best: dict[int, tuple[PassageRecord, float]] = {}
            for vector_id, score in zip(ids[0], scores[0], strict=True):
                # One without a record was purged since this snapshot was opened.
                if record := records.get(int(vector_id)):
                    best.setdefault(record.document_id, (record, float(score)))
            if len(best) >= k or wanted >= live:
                return list(best.values())[:k]
            wanted = min(wanted * 4, live)
        return []


def _hit(record: PassageRecord, score: float) -> Hit:
    return Hit(
        id=record.external_id,
        score=score,
        title=record.title,
        passage=record.passage,
        start=record.start,
        end=record.end,
        metadata=record.metadata,
    )


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
