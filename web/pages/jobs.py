"""`/jobs`: what was handed in, how far it is, and why it waits."""

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from shared.services import open_enquiry
from shared.waiting.why import why_job
from web.access import gathered
from web.api.models.jobs import JobStatus
from web.context import services

blueprint = Blueprint("job_pages", __name__)

_LISTED = 50


@blueprint.get("/jobs")
def index() -> str:
    """List the newest jobs."""
    jobs = gathered(
        lambda name: services().records.jobs(limit=_LISTED, collection=name),
        wanted=None,
        order=lambda job: (-job.accepted_at, job.id),
        limit=_LISTED,
    )
    estimates = services().forecast.estimates([job.id for job in jobs if not job.finished])
    rows = [(job, JobStatus.of(job), estimates.get(job.id)) for job in jobs]
    return render_template("jobs.html", jobs=rows, most=_LISTED)


@blueprint.get("/jobs/<job_id>")
def show(job_id: str) -> str:
    """Show one job; the page follows it until it is done."""
    return _render("job.html", job_id)


@blueprint.get("/jobs/<job_id>/progress")
def progress(job_id: str) -> str:
    """Return the part of a job's page that changes."""
    return _render("_job.html", job_id)


@blueprint.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Cancel what waits of a job, and show it."""
    services().claims.cancel(job_id)
    return redirect(url_for("job_pages.show", job_id=job_id), HTTPStatus.SEE_OTHER)


def _render(template: str, job_id: str) -> str:
    job = services().records.job(job_id)
    settled = sum(count for state, count in job.counts.items() if state.finished)
    reasons = () if job.finished else why_job(open_enquiry(services()), job_id)
    return render_template(
        template, job=job, status=JobStatus.of(job), settled=settled, reasons=reasons
    )
