"""`/receipts`: what became of messages."""

from flask import Response, url_for

from shared.errors import ReceiptNotFound
from web.access import visible
from web.api.models.base import JobLink
from web.api.models.receipts import (
    ReceiptPath,
    Receipts,
    ReceiptShape,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("receipts", "What became of messages, accepted or rejected.")


@blueprint.get("/receipts/<anything:key>", responses={200: Receipts, **problem_responses(404)})
def get_receipts(path: ReceiptPath) -> Response:
    """Show what became of the messages with an idempotency key, newest first."""
    entries = visible(services().inbox.receipts(path.key), lambda one: one.collection)
    if not entries:
        raise ReceiptNotFound
    shapes = [ReceiptShape.of(entry, _link(entry.job_id)) for entry in entries]
    return answer(Receipts(key=path.key, status=shapes[0].status, receipts=shapes))


def _link(job_id: str | None) -> JobLink | None:
    return JobLink(id=job_id, url=url_for("jobs.get_job", job_id=job_id)) if job_id else None
