"""`/jobs`: how far submissions are, why they wait, cancelling and retrying them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response, url_for

from shared.dead_letters import Retried, retry_job
from shared.domain import Estimate, FilesRetried, JobReport, ReplayOutcome, State
from shared.services import open_dead_letter_office, open_depot, open_enquiry
from shared.uploads.retrying import retry_files
from shared.waiting.why import why_job
from web.access import gathered
from web.api.models.jobs import (
    Cancelled,
    JobList,
    JobPath,
    JobShape,
    JobsQuery,
    Nothing,
    RetriedShape,
    RetryBody,
)
from web.api.models.why import WhyShape
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("jobs", "Submissions and how far they are.")

_MOST_RETRIED = 10_000
_TOLD = 20
"""Files that are named of which nothing is kept."""


@blueprint.get("/jobs", responses={200: JobList, **problem_responses(404)})
def get_jobs(query: JobsQuery) -> Response:
    """List the newest jobs, without their errors and warnings."""
    which = query.to_filter()
    jobs = gathered(
        lambda name: services().records.jobs(which, limit=query.limit + 1, collection=name),
        wanted=query.collection,
        order=newest_first,
        limit=query.limit + 1,
    )
    shown = jobs[: query.limit]
    estimates = services().forecast.estimates([job.id for job in shown if not job.finished])
    shapes = [_shape(job, estimates) for job in shown]
    return answer(JobList.of(shapes, shown[-1] if len(jobs) > len(shown) else None))


@blueprint.get("/jobs/<job_id>", responses={200: JobShape, **problem_responses(404)})
def get_job(path: JobPath) -> Response:
    """Show how far a job is, with its errors and warnings."""
    return answer(_look(path.job_id))


@blueprint.get("/jobs/<job_id>/why", responses={200: WhyShape, **problem_responses(404)})
def get_job_why(path: JobPath) -> Response:
    """Tell in words why a job waits, or how it ended."""
    return answer(WhyShape.of(why_job(open_enquiry(services()), path.job_id)))


@blueprint.post("/jobs/<job_id>/cancel", responses={200: Cancelled, **problem_responses(404)})
def post_job_cancel(path: JobPath, body: Nothing) -> Response:  # noqa: ARG001 - it must be empty
    """Cancel what waits of a job; what a worker holds runs to its end. Again does no harm."""
    cancelled = services().claims.cancel(path.job_id)
    job = _look(path.job_id)
    return answer(
        Cancelled(cancelled=cancelled, under_way=job.counts.get(State.CLAIMED, 0), job=job)
    )


@blueprint.post(
    "/jobs/<job_id>/retry", responses={200: RetriedShape, **problem_responses(400, 404, 507)}
)
def post_job_retry(path: JobPath, body: RetryBody) -> Response:
    """Put documents and files of a job that failed back into the queue: all, or those named.

    A document is indexed as it was accepted, unless a newer revision of it has come since. A file
    is read again, behind what was stored of it, as long as its bytes are kept
    (`LAMINA_FILES_FAILED_DAYS`).
    """
    done = retry(path.job_id, documents=body.documents, files=body.files)
    shape = RetriedShape(
        retried=done.documents.waiting,
        files=done.files.waiting,
        superseded=done.documents.outcomes.get(ReplayOutcome.SUPERSEDED, 0),
        impossible=done.impossible,
        details=done.details,
        more=done.documents.more,
        job=_look(path.job_id),
    )
    return answer(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetried:
    """What became of the failed documents and files of a job."""

    documents: Retried
    files: FilesRetried

    @property
    def impossible(self) -> int:
        """Documents and files of which nothing is kept any more."""
        outcomes = self.documents.outcomes
        return outcomes.get(ReplayOutcome.IMPOSSIBLE, 0) + len(self.files.gone)

    @property
    def details(self) -> list[str]:
        """Why some do not wait again, in words; each reason once."""
        return [*self.documents.details, *map(_gone, self.files.gone[:_TOLD])]


def retry(
    job_id: str, *, documents: Sequence[str] | None = None, files: Sequence[str] | None = None
) -> JobRetried:
    """Retry what failed of a job: all of it, or the documents and files that are named.

    Raises:
        JobNotFound, OutOfSpace, Overloaded
    """
    it = services()
    it.records.job(job_id, issues=0)
    everything = documents is None and files is None
    return JobRetried(
        files=retry_files(open_depot(it), job_id, names=None if everything else files or ()),
        documents=retry_job(
            open_dead_letter_office(it),
            job_id,
            documents=None if everything else documents or (),
            most=_MOST_RETRIED,
        ),
    )


def _gone(name: str) -> str:
    return f"The bytes of {name!r} are not kept any more; send the file again."


def newest_first(job: JobReport) -> tuple[float, tuple[int, ...]]:
    """Order jobs as the catalog does: by time, then by id, both falling."""
    return -job.accepted_at, tuple(-ord(one) for one in job.id)


def _look(job_id: str) -> JobShape:
    job = services().records.job(job_id)
    estimates = {} if job.finished else services().forecast.estimates([job_id])
    return _shape(job, estimates)


def _shape(job: JobReport, estimates: Mapping[str, Estimate]) -> JobShape:
    return JobShape.of(job, url_for("jobs.get_job", job_id=job.id), estimates.get(job.id))
