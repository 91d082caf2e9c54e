"""`/jobs`: what was handed in, how far it is, why it waits, and what to do about what failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from shared.domain import CollectionStats, Estimate, JobKind, JobReport, ReplayOutcome
from shared.errors import InvalidRequest, OutOfSpace, Overloaded
from shared.services import Services, open_enquiry
from shared.waiting.why import why_job
from shared.words import counted
from web.access import caller, gathered, visible
from web.api.jobs import JobRetried, newest_first, retry
from web.api.models.base import end_of_page
from web.api.models.jobs import JobsQuery, JobStatus
from web.context import services
from web.pages.forms import checked, errors_by_field, filled

blueprint = Blueprint("job_pages", __name__)

_LISTED = 50
_BATCHES = 200
_NEWEST_BATCHES = 5
_FILES = 200
_FIELDS = ("collection", "status", "since", "until")
_CLOSED = {
    "drained": "nothing more waited",
    "tokens": "it holds about as much text as one batch should",
    "documents": "it holds as many documents as a batch may",
    "suspect": "its documents were in a batch whose worker died, so they go in small groups",
    "fenced": "it was taken away before anything was encoded",
}
_STATES = {"active": "under way", "released": "given back", "revoked": "taken away"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Documents that one worker took together, as a page shows them."""

    id: int
    worker: str
    state: str
    of_job: int
    documents: int
    tokens: int | None
    claimed_at: float
    ended_at: float | None
    why: str
    """Why it is not larger, or why it ended."""

    @classmethod
    def of(cls, claim: Mapping[str, object]) -> "Batch":
        """Return what is shown of a claim."""
        state, reason = str(claim["state"]), claim["reason"]
        closed_by = str(claim["closed_by"])
        return cls(
            id=_whole(claim["id"]),
            worker=str(claim["worker"]),
            state=_STATES.get(state, ""),
            of_job=_whole(claim["of_job"]),
            documents=_whole(claim["documents"]),
            tokens=None if claim["tokens"] is None else _whole(claim["tokens"]),
            claimed_at=_seconds(claim["claimed_at"]),
            ended_at=None if claim["ended_at"] is None else _seconds(claim["ended_at"]),
            why=str(reason) if reason else _CLOSED.get(closed_by, closed_by),
        )


@blueprint.get("/jobs")
def index() -> ResponseReturnValue:
    """List jobs, newest first, those that the filter asks for."""
    values = {name: request.args.get(name, "").strip() for name in _FIELDS}
    jobs, told, cursor = [], {}, None
    try:
        query = _query(values)
        found = gathered(
            lambda name: services().records.jobs(
                query.to_filter(), limit=_LISTED + 1, collection=name
            ),
            wanted=query.collection,
            order=newest_first,
            limit=_LISTED + 1,
        )
        jobs = found[:_LISTED]
        if len(found) > _LISTED:
            cursor = end_of_page(jobs[-1].accepted_at, jobs[-1].id)
    except InvalidRequest as error:
        told = errors_by_field(error, "/", _FIELDS)
    page = render_template(
        "jobs.html",
        jobs=_rows(jobs),
        values=values,
        told=told,
        chosen=filled(values),
        kinds=list(JobKind),
        collections=[one.collection.name for one in _stats()],
        next_cursor=cursor,
        first_page="cursor" not in request.args,
    )
    return page, HTTPStatus.UNPROCESSABLE_ENTITY if told else HTTPStatus.OK


@blueprint.get("/jobs/<job_id>")
def show(job_id: str) -> str:
    """Show one job; the page follows it until it is done."""
    return _render("job.html", job_id)


@blueprint.get("/jobs/<job_id>/progress")
def progress(job_id: str) -> str:
    """Return the part of a job's page that changes."""
    return _render("_job.html", job_id)


def standing(it: Services, arguments: Mapping[str, str]) -> object:
    """Return what the part of a job's page that changes is made of, for `/live`."""
    return it.records.job(arguments["job_id"], issues=0)


@blueprint.get("/jobs/<job_id>/batches")
def batches(job_id: str) -> str:
    """List the batches that a job was encoded in, and why each was closed."""
    job = services().records.job(job_id, issues=0)
    found = _batches(job_id, limit=_BATCHES)
    return render_template("batches.html", job=job, batches=found, most=_BATCHES)


@blueprint.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Cancel what waits of a job, and show it."""
    cancelled = services().claims.cancel(job_id)
    flash(f"{counted(cancelled, 'document')} cancelled.", "good")
    return _to(job_id)


@blueprint.post("/jobs/<job_id>/retry")
def retry_failed(job_id: str) -> Response:
    """Put what failed of a job back into the queue: all of it, or one document or file."""
    documents, files = request.form.getlist("document"), request.form.getlist("file")
    try:
        flash(*_told(retry(job_id, documents=documents or None, files=files or None)))
    except (OutOfSpace, Overloaded) as error:
        flash(f"{error.title}. {error.detail}", "bad")
    return _to(job_id)


def _query(values: Mapping[str, str]) -> JobsQuery:
    """Return what the filter's fields ask for; their times are UTC.

    Raises:
        InvalidRequest: with a pointer for each field that is wrong.
    """
    given = filled(values)
    for name in ("since", "until"):
        if name in given:
            given[name] += "Z"
    if cursor := request.args.get("cursor"):
        given["cursor"] = cursor
    return checked(JobsQuery, given)


def _rows(jobs: Sequence[JobReport]) -> list[tuple[JobReport, JobStatus, Estimate | None]]:
    estimates = services().forecast.estimates([job.id for job in jobs if not job.finished])
    return [(job, JobStatus.of(job), estimates.get(job.id)) for job in jobs]


def _render(template: str, job_id: str) -> str:
    it = services()
    job = it.records.job(job_id)
    settled = sum(count for state, count in job.counts.items() if state.finished)
    reasons = () if job.finished else why_job(open_enquiry(it), job_id)
    estimates = {} if job.finished else it.forecast.estimates([job_id])
    return render_template(
        template,
        job=job,
        status=JobStatus.of(job),
        settled=settled,
        reasons=reasons,
        estimate=estimates.get(job_id),
        rate=_rate(job, settled),
        batches=_batches(job_id, limit=_NEWEST_BATCHES),
        files=[one for _, one in it.uploads.of_job(job_id, limit=_FILES)]
        if job.files.total
        else (),
    )


def _rate(job: JobReport, settled: int) -> float | None:
    """Return how many documents a second the job was worked on at; None before there are any."""
    if job.claimed_at is None or not settled:
        return None
    end = job.published_at if job.finished else None
    seconds = (services().roster.now() if end is None else end) - job.claimed_at
    return settled / seconds if seconds > 0 else None


def _batches(job_id: str, *, limit: int) -> list[Batch]:
    """Return the newest batches of a job; none for a key that is bound: others are in them."""
    if not caller().unbound:
        return []
    return [Batch.of(one) for one in services().records.claims(limit=limit, job_id=job_id)]


def _told(done: JobRetried) -> tuple[str, str]:
    documents, files = done.documents, done.files.waiting
    parts = []
    if documents.waiting:
        parts.append(f"{counted(documents.waiting, 'document')} will be indexed again.")
    if files:
        parts.append(f"{counted(files, 'file')} will be read again.")
    if not parts:
        overtaken = documents.outcomes.get(ReplayOutcome.SUPERSEDED)
        why = "Nothing to index again: newer revisions are there."
        parts.append(why if overtaken else "Nothing was put back into the queue.")
    parts += [one for one in done.details if one not in parts]
    if documents.more:
        parts.append("There are more: retry again.")
    return " ".join(parts), "good" if documents.waiting or files else "note"


def _stats() -> list[CollectionStats]:
    return visible(services().collections.stats(), lambda one: one.collection.name)


def _to(job_id: str) -> Response:
    return redirect(url_for("job_pages.show", job_id=job_id), HTTPStatus.SEE_OTHER)


def _whole(value: object) -> int:
    return int(str(value))


def _seconds(value: object) -> float:
    return float(str(value))
