"""`/operation/why`: why something waits, or how it ended."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import render_template, request
from flask.typing import ResponseReturnValue

from shared.domain import Reason
from shared.errors import LaminaError
from shared.services import open_enquiry
from shared.waiting.why import why_document, why_job, why_key
from web.context import services
from web.pages.forms import preselected
from web.pages.operation.tabs import blueprint
from web.problems import STATUS

_FIELDS = ("job", "collection", "document", "key")


@blueprint.get("/why")
def why() -> ResponseReturnValue:
    """Ask why a job, a document or a message waits, and show the reasons."""
    values = {name: request.args.get(name, "").strip() for name in _FIELDS}
    stats = services().collections.stats()
    chosen = values["collection"] or preselected(stats, None)
    reasons: Sequence[Reason] = ()
    told, status = "", HTTPStatus.OK
    asked = sum(bool(values[name]) for name in ("job", "document", "key"))
    if asked > 1:
        told, status = "Fill in just one of the three.", HTTPStatus.UNPROCESSABLE_ENTITY
    elif asked:
        try:
            reasons = _reasons(values, chosen)
        except LaminaError as error:
            told, status = f"{error.title}. {error.detail}", STATUS[type(error)]
    page = render_template(
        "operation/why.html",
        values=values,
        stats=stats,
        chosen=chosen,
        reasons=reasons,
        told=told,
        asked=asked,
    )
    return page, status


def _reasons(values: dict[str, str], collection: str) -> Sequence[Reason]:
    enquiry = open_enquiry(services())
    if values["job"]:
        return why_job(enquiry, values["job"])
    if values["key"]:
        return why_key(enquiry, values["key"])
    return why_document(enquiry, collection, values["document"])
