"""Jobs."""

from enum import StrEnum
from typing import Self

from pydantic import Field

from shared.domain import JobReport, State
from web.api.models.base import Question, Shape, Text
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
        return cls("waiting" if untouched and report.claimed_at is None else "running")


class IssueShape(Shape):
    """An error or a warning of one document."""

    document: str
    message: str


class JobShape(Shape):
    """One submission and how far its documents are."""

    id: str
    url: str
    collection: str
    source: str
    """Who sent it: `api`, `form`, or the name of a queue."""
    key: str | None
    status: JobStatus
    finished: bool
    """Every document is settled. A search sees them all from `stages.first_loaded_at` on, some
    50 ms later, or at once when it says `after` this job."""
    total: int
    counts: dict[State, int]
    """Documents by state."""
    stages: Stages
    version: int | None
    """Newest version that holds documents of the job."""
    errors: list[IssueShape]
    """At most 100; empty in lists of jobs."""
    warnings: list[IssueShape]
    """At most 100; empty in lists of jobs."""

    @classmethod
    def of(cls, report: JobReport, url: str) -> Self:
        """Return what the API shows of a job."""
        return cls(
            id=report.id,
            url=url,
            collection=report.collection,
            source=report.source,
            key=report.key,
            status=JobStatus.of(report),
            finished=report.finished,
            total=report.total,
            counts={state: report.counts.get(state, 0) for state in State},
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


class JobPath(Question):
    """The address of a job."""

    job_id: Text


class JobList(Shape):
    """Jobs, newest first."""

    jobs: list[JobShape]
