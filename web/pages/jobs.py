"""`/jobs`: what was handed in and how far it is."""

from flask import Blueprint, render_template

from web.api.models.jobs import JobStatus
from web.context import services

blueprint = Blueprint("job_pages", __name__)

_LISTED = 50


@blueprint.get("/jobs")
def index() -> str:
    """List the newest jobs."""
    jobs = [(job, JobStatus.of(job)) for job in services().records.jobs(limit=_LISTED)]
    return render_template("jobs.html", jobs=jobs, most=_LISTED)


@blueprint.get("/jobs/<job_id>")
def show(job_id: str) -> str:
    """Show one job; the page follows it until it is done."""
    return _render("job.html", job_id)


@blueprint.get("/jobs/<job_id>/progress")
def progress(job_id: str) -> str:
    """Return the part of a job's page that changes."""
    return _render("_job.html", job_id)


def _render(template: str, job_id: str) -> str:
    job = services().records.job(job_id)
    settled = sum(count for state, count in job.counts.items() if state.finished)
    return render_template(template, job=job, status=JobStatus.of(job), settled=settled)
