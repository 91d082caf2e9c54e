"""`/sample`: a collection to try Lamina with."""

from http import HTTPStatus

from flask import Response, url_for

from shared.samples import NAME
from shared.sampling import load_sample
from shared.services import open_sampler
from web import record
from web.api.models.jobs import Nothing
from web.api.models.samples import SampleShape
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("samples", "A collection to try Lamina with.")


@blueprint.post(
    "/sample", responses={202: SampleShape, **problem_responses(400, 403, 409, 415, 429, 507)}
)
def post_sample(body: Nothing) -> Response:  # noqa: ARG001 - empty
    """Load some 320 nouns and what they mean into a collection of their own.

    Deleting that collection removes them.
    """
    record.target(collection=NAME)
    receipt = load_sample(open_sampler(services()), services().limits)
    where = url_for("jobs.get_job", job_id=receipt.job_id)
    return answer(SampleShape.of(receipt, where), HTTPStatus.ACCEPTED, {"Location": where})
