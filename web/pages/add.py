"""`/add`: hand one document in."""

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from shared import failpoints
from shared.domain import Json, Receipt, Scope
from shared.errors import (
    CollectionNotFound,
    Fault,
    InvalidDocument,
    InvalidRequest,
    OutOfSpace,
    Overloaded,
)
from shared.ingest import parse_submission, submit
from shared.waiting.words import about
from web import strictjson
from web.access import require, visible
from web.context import services
from web.pages.forms import errors_by_field, preselected, typed

blueprint = Blueprint("add", __name__)

SOURCE = "form"
_FIELDS = ("collection", "id", "title", "text", "metadata")
_PREFIX = "/documents/0/"


@blueprint.get("/add")
def form() -> ResponseReturnValue:
    """Show the empty form."""
    return _page({"collection": request.args.get("collection", "")})


@blueprint.post("/add")
def post() -> ResponseReturnValue:
    """Accept the document and show its job, or the form again with what is wrong."""
    values = typed(*_FIELDS)
    try:
        receipt = _accept(values)
    except CollectionNotFound as error:
        return _page(values, {"collection": error.detail}), HTTPStatus.UNPROCESSABLE_ENTITY
    except InvalidRequest as error:
        # A document without text is a fault of the whole document; the form says it at the text.
        faults = [
            Fault(f"{_PREFIX}text", one.detail) if one.pointer == _PREFIX.rstrip("/") else one
            for one in error.faults
        ]
        told = errors_by_field(InvalidRequest(error.detail, faults), _PREFIX, _FIELDS)
        return _page(values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    # With what was typed, which must not be lost.
    except OutOfSpace as error:
        return _page(values, {"": error.detail}), HTTPStatus.INSUFFICIENT_STORAGE
    except Overloaded as error:
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return _page(values, {"": _later(error)}), HTTPStatus.TOO_MANY_REQUESTS, headers
    failpoints.reach("web.accepted")
    return redirect(url_for("job_pages.show", job_id=receipt.job_id), HTTPStatus.SEE_OTHER)


def _accept(values: dict[str, str]) -> Receipt:
    collection = require(Scope.WRITE, values["collection"])
    document: dict[str, Json] = {
        "id": values["id"].strip() or None,
        "title": values["title"].strip(),
        "text": values["text"].replace("\r\n", "\n"),  # browsers send what nobody typed
        "metadata": _metadata(values["metadata"]),
    }
    submission = parse_submission(
        [document], services().limits, collection=collection, source=SOURCE
    )
    return submit(services().inbox, services().bell, submission)


def _later(error: Overloaded) -> str:
    wait = about(error.retry_after_seconds)
    return (
        "Too much is waiting to be indexed, so nothing more is taken just now. What you typed "
        f"is still here: add it again in {wait}."
    )


def _metadata(text: str) -> Json:
    if not text.strip():
        return {}
    try:
        return strictjson.loads(text)
    except ValueError as error:
        fault = Fault(f"{_PREFIX}metadata", f"is not valid JSON: {error}")
        raise InvalidDocument("The metadata is not valid JSON.", [fault]) from error


def _page(values: dict[str, str], told: dict[str, str] | None = None) -> str:
    stats = visible(services().collections.stats(), lambda one: one.collection.name)
    return render_template(
        "add.html",
        stats=stats,
        chosen=preselected(stats, values.get("collection")),
        values=values,
        told=told or {},
        limits=services().limits,
    )
