"""`/why`: why a document or a message waits; of jobs, see `/jobs/{id}/why`."""

from flask import Response

from shared.domain import Scope
from shared.services import open_enquiry
from shared.waiting.why import why_document, why_key
from web.access import require, require_receipts
from web.api.models.why import WhyQuery, WhyShape
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("why", "Why something waits, or how it ended, in words.")


@blueprint.get("/why", responses={200: WhyShape, **problem_responses(404)})
def get_why(query: WhyQuery) -> Response:
    """Tell why a document (`collection` and `document`) or a message (`key`) waits.

    Of a document that is settled it tells how it ended; of a message that nobody has seen, what
    is known of the queue it may be in.
    """
    enquiry = open_enquiry(services())
    if query.key is not None:
        require_receipts(query.key)
        return answer(WhyShape.of(why_key(enquiry, query.key)))
    collection = require(Scope.SEARCH, query.collection or "")
    reasons = why_document(enquiry, collection, query.document or "")
    return answer(WhyShape.of(reasons))
