"""`/jobs`: how far submissions are."""

from flask import Response, url_for

from web.api.models.jobs import JobList, JobPath, JobShape, JobsQuery
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("jobs", "Submissions and how far they are.")


@blueprint.get("/jobs", responses={200: JobList, **problem_responses(404)})
def get_jobs(query: JobsQuery) -> Response:
    """List the newest jobs, without their errors and warnings."""
    if query.collection is not None:
        services().collections.get(query.collection)
    jobs = services().records.jobs(limit=query.limit, collection=query.collection)
    shapes = [JobShape.of(job, url_for("jobs.get_job", job_id=job.id)) for job in jobs]
    return answer(JobList(jobs=shapes))


@blueprint.get("/jobs/<job_id>", responses={200: JobShape, **problem_responses(404)})
def get_job(path: JobPath) -> Response:
    """Show how far a job is, with its errors and warnings."""
    job = services().records.job(path.job_id)
    return answer(JobShape.of(job, url_for("jobs.get_job", job_id=job.id)))
