"""`/add`: hand a document in, typed or pasted, looked at before if wanted."""

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from shared import failpoints
from shared.domain import Json, Receipt, Scope, Submission
from shared.errors import (
    CollectionNotFound,
    Fault,
    InvalidDocument,
    InvalidRequest,
    LaminaError,
    OutOfSpace,
    Overloaded,
)
from shared.ingest import parse_submission, submit
from shared.uploads.previewing import DocumentPreview
from shared.words import about
from web import previews, strictjson
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
    """Accept the document and show its job, or the form again: with a preview, or what is wrong."""
    values = typed(*_FIELDS)
    try:
        submission = _read(values)
        if request.form.get("do") == "preview":
            return _page(values, looked_at=_look_at(submission))
        receipt = _accept(submission)
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
    except (OutOfSpace, Overloaded) as error:
        return _page(values, {"": in_words(error)}), *refusal(error)
    failpoints.reach("web.accepted")
    return redirect(url_for("job_pages.show", job_id=receipt.job_id), HTTPStatus.SEE_OTHER)


def refusal(error: LaminaError) -> tuple[HTTPStatus, dict[str, str]]:
    """Return the status and headers of a page that says that nothing more is taken."""
    if isinstance(error, Overloaded):
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return HTTPStatus.TOO_MANY_REQUESTS, headers
    return HTTPStatus.INSUFFICIENT_STORAGE, {}


def in_words(error: LaminaError) -> str:
    """Return why nothing more is taken, and when to try again."""
    if not isinstance(error, Overloaded):
        return error.detail
    wait = about(error.retry_after_seconds)
    return (
        "Too much is waiting to be indexed, so nothing more is taken just now. What you typed "
        f"is still here: add it again in {wait}."
    )


def _read(values: dict[str, str]) -> Submission:
    collection = require(Scope.WRITE, values["collection"])
    document: dict[str, Json] = {
        "id": values["id"].strip() or None,
        "title": values["title"].strip(),
        "text": values["text"].replace("\r\n", "\n"),  # browsers send what nobody typed
        "metadata": _metadata(values["metadata"]),
    }
    return parse_submission([document], services().limits, collection=collection, source=SOURCE)


def _accept(submission: Submission) -> Receipt:
    return submit(services().inbox, services().bell, submission)


def _look_at(submission: Submission) -> tuple[DocumentPreview, int]:
    it = services()
    (document,) = submission.documents
    collection = it.collections.get(submission.collection)
    preview = previews.look_at_text(it, collection, document.title, document.text)
    return preview, previews.max_tokens(it, collection)


def _metadata(text: str) -> Json:
    if not text.strip():
        return {}
    try:
        return strictjson.loads(text)
    except ValueError as error:
        fault = Fault(f"{_PREFIX}metadata", f"is not valid JSON: {error}")
        raise InvalidDocument("The metadata is not valid JSON.", [fault]) from error


def _page(
    values: dict[str, str],
    told: dict[str, str] | None = None,
    looked_at: tuple[DocumentPreview, int] | None = None,
) -> str:
    stats = visible(services().collections.stats(), lambda one: one.collection.name)
    document, most = looked_at or (None, 0)
    return render_template(
        "add.html",
        stats=stats,
        chosen=preselected(stats, values.get("collection")),
        values=values,
        told=told or {},
        limits=services().limits,
        document=document,
        max_tokens=most,
    )
