"""`/audit`: the record of administrative acts."""

from flask import Response

from web.api.models.keys import AuditList, AuditQuery, AuditShape
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("audit", "Who administered what, and when.")


@blueprint.get("/audit", responses={200: AuditList, **problem_responses(403)})
def get_audit(query: AuditQuery) -> Response:
    """List administrative acts, newest first: who did what to what, from where, and the outcome."""
    entries = services().audit.entries(limit=query.limit, before=query.before)
    return answer(AuditList(entries=[AuditShape.of(one) for one in entries]))
