"""Jobs."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Self

from pydantic import Field

from shared.domain import Estimate, JobFilter, JobKind, JobReport, State, UploadState
from web.api.models.base import (
    Instant,
    NewestFirst,
    Question,
    Shape,
    Text,
    Time,
    behind,
    end_of_page,
    seconds,
)
from web.api.models.documents import Stages


class JobStatus(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    """No worker has taken any of its documents yet."""
    RUNNING = "running"
    DONE = "done"
    """Every document is searchable, failed or otherwise settled."""

    @classmethod
    def of(cls, report: JobReport) -> Self:
        """Return how far the job is."""
        if report.finished:
            return cls("done")
        untouched = report.counts.get(State.PENDING, 0) == report.total
        if report.files.done or report.files.states.get(UploadState.CLAIMED):
            return cls("running")
        return cls("waiting" if untouched and report.claimed_at is None else "running")


class IssueShape(Shape):
    """An error or a warning of one document."""

    document: str
    message: str


class EstimateShape(Shape):
    """When the last document of a job will be done, and the numbers that say so."""

    seconds: float
    documents: int
    """All that is done until then: before it in the queue, under way, and its own."""
    characters: int
    workers: int
    """Index workers that work."""
    tokens_per_second: float
    """Of all of them, measured over their newest claims."""
    characters_per_second: float

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """Return what the API shows of an estimate."""
        workers, speed = estimate.workers, estimate.speed
        return cls(
            seconds=round(estimate.seconds, 1),
            documents=estimate.load.documents,
            characters=estimate.load.characters,
            workers=workers,
            tokens_per_second=round(workers * speed.tokens_per_second, 1),
            characters_per_second=round(workers * speed.characters_per_second, 1),
        )


class JobShape(Shape):
    """One submission and how far its documents are."""

    id: str
    url: str
    collection: str
    source: str
    """Who sent it: `api`, `form`, or the name of a queue."""
    producer: str
    """Who of its source, as it says itself; empty if it does not."""
    extra: dict[str, Any]
    """Fields that came with it and mean nothing here."""
    key: str | None
    status: JobStatus
    finished: bool
    """Every document is settled. A search sees them all from `stages.first_loaded_at` on, some
    50 ms later, or at once when it says `after` this job."""
    eta_seconds: float | None
    """When its last document will be done, about; null when it is done, no index worker works or
    nothing was measured yet."""
    estimate: EstimateShape | None
    """What `eta_seconds` is made of."""
    cancelled_at: Time | None
    """When it was first cancelled; what a worker held then ran on."""
    total: int
    counts: dict[State, int]
    """Documents by state."""
    files: dict[UploadState, int]
    """Files by state, if the documents are read from files: more come of those that wait."""
    stages: Stages
    version: int | None
    """Newest version that holds documents of the job."""
    errors: list[IssueShape]
    """At most 100; empty in lists of jobs."""
    warnings: list[IssueShape]
    """At most 100; empty in lists of jobs."""

    @classmethod
    def of(cls, report: JobReport, url: str, estimate: Estimate | None = None) -> Self:
        """Return what the API shows of a job."""
        return cls(
            id=report.id,
            url=url,
            collection=report.collection,
            source=report.source,
            producer=report.producer,
            extra=dict(report.extra),
            key=report.key,
            status=JobStatus.of(report),
            finished=report.finished,
            eta_seconds=None if estimate is None else round(estimate.seconds, 1),
            estimate=None if estimate is None else EstimateShape.of(estimate),
            cancelled_at=report.cancelled_at,
            total=report.total,
            counts={state: report.counts.get(state, 0) for state in State},
            files={state: count for state, count in report.files.states.items() if count},
            stages=Stages(
                accepted_at=report.accepted_at,
                claimed_at=report.claimed_at,
                encoded_at=report.encoded_at,
                published_at=report.published_at,
                first_loaded_at=report.first_loaded_at,
            ),
            version=report.version,
            errors=[
                IssueShape(document=one.document, message=one.message) for one in report.errors
            ],
            warnings=[
                IssueShape(document=one.document, message=one.message) for one in report.warnings
            ],
        )


class JobsQuery(Question):
    """Which jobs to list."""

    limit: int = Field(default=50, ge=1, le=1000)
    collection: Text | None = None
    status: JobKind | None = None
    """`waiting`, `running`, `done` (settled, whichever way), `cancelled`, `failed` (a document
    did)."""
    since: Instant | None = None
    """Accepted then or later."""
    until: Instant | None = None
    """Accepted before."""
    cursor: NewestFirst | None = None
    """`next_cursor` of the page before."""

    def to_filter(self) -> JobFilter:
        """Return it in the domain's words."""
        return JobFilter(
            kind=self.status,
            since=seconds(self.since),
            until=seconds(self.until),
            behind=behind(self.cursor),
        )


class Nothing(Question):
    """A body that says nothing: `{}`."""


class Cancelled(Shape):
    """What cancelling a job did."""

    cancelled: int
    """Documents that waited and are cancelled now."""
    under_way: int
    """Documents that a worker holds, which run to their end."""
    job: JobShape


class RetryBody(Question):
    """Which failed documents and files of a job to retry; by default all that failed."""

    documents: list[Text] | None = Field(default=None, min_length=1, max_length=1000)
    """Their ids; with these alone, no file is retried."""

    files: list[Text] | None = Field(default=None, min_length=1, max_length=1000)
    """Their names; with these alone, no document is retried."""


class RetriedShape(Shape):
    """What retrying what failed of a job did."""

    retried: int
    """Documents that wait to be indexed again."""
    files: int
    """Files that wait to be read again."""
    superseded: int
    """Those of which a newer revision is there: they are not failed any more, and not indexed."""
    impossible: int
    """Documents whose text, and files whose bytes, are not kept; send them again."""
    details: list[str]
    """Why some do not wait again, in words; each reason once."""
    more: bool
    """Whether there are more than one request retries: send it again."""
    job: JobShape


class JobPath(Question):
    """The address of a job."""

    job_id: Text


class JobList(Shape):
    """Jobs, newest first."""

    jobs: list[JobShape]
    next_cursor: str | None
    """Null on the last page."""

    @classmethod
    def of(cls, jobs: Sequence[JobShape], last: JobReport | None) -> Self:
        """Return a page, behind whose *last* job more may follow."""
        cursor = None if last is None else end_of_page(last.accepted_at, last.id)
        return cls(jobs=list(jobs), next_cursor=cursor)
