"""`/collections/<name>/documents`: browse them, look into one, delete it."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from shared.domain import ChunkSpan, DocumentFilter, DocumentPage, DocumentReport, State
from shared.domain.filters import Filter
from shared.errors import DocumentNotFound, InvalidRequest, LaminaError, Overloaded
from shared.filters import read_json
from shared.ingest import deletion, submit
from shared.services import open_shelf
from shared.versions.shelf import resolve
from web.api.files import send_original
from web.context import services
from web.pages.collection_frame import render, say
from web.pages.forms import errors_by_field, filled
from web.problems import STATUS

blueprint = Blueprint("document_pages", __name__)

SOURCE = "form"
_LISTED = 50
_REVISIONS = 50
_FIELDS = ("prefix", "state", "warnings", "filter", "version")
_STATES = (State.INDEXED, State.PENDING, State.CLAIMED, State.FAILED, State.CANCELLED)
"""That the newest revision of a document can be in; others give way to one of these."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a document as a page shows it."""

    span: ChunkSpan
    text: str
    repeated: int
    """Characters in the beginning that the passage before it ends with."""


@blueprint.get("/collections/<name>/documents")
def index(name: str) -> ResponseReturnValue:
    """List documents in the order of their ids, those that the filter asks for."""
    values = {field: request.args.get(field, "").strip() for field in _FIELDS}
    cursor = request.args.get("cursor")
    told, status = {}, HTTPStatus.OK
    page = DocumentPage(documents=(), next_cursor=None)
    try:
        page = services().documents.page(name, _which(name, values), limit=_LISTED, cursor=cursor)
    except InvalidRequest as error:
        told, status = errors_by_field(error, "/", _FIELDS), STATUS[type(error)]
    except LaminaError as error:  # of the version that is asked for
        told, status = {"version": error.detail}, STATUS[type(error)]
    text = render(
        "collection/documents.html",
        name,
        page=page,
        values=values,
        chosen=filled(values),
        told=told,
        states=_STATES,
        first_page=cursor is None,
    )
    return text, status


@blueprint.get("/collections/<name>/documents/<anything:document_id>")
def show(name: str, document_id: str) -> str:
    """Show the newest revision of a document with its passages, and what became of it over time."""
    revisions = services().records.revisions(name, document_id, limit=_REVISIONS)
    report = _newest(name, document_id)
    return render(
        "collection/document.html",
        name,
        document_id=document_id,
        report=report,
        passages=_passages(report) if report else (),
        revisions=revisions,
        most=_REVISIONS,
        original=report and services().uploads.original(name, document_id),
    )


@blueprint.get("/collections/<name>/originals/<anything:document_id>")
def original(name: str, document_id: str) -> Response:
    """Return the file that a document was read from, to be saved."""
    return send_original(name, document_id)


@blueprint.post("/collections/<name>/documents/<anything:document_id>")
def delete(name: str, document_id: str) -> Response:
    """Delete a document and show the job that does it."""
    try:
        going = deletion(document_id, collection=name, source=SOURCE)
        receipt = submit(services().inbox, services().bell, going)
    except Overloaded as error:
        say(error)
        where = url_for("document_pages.show", name=name, document_id=document_id)
        return redirect(where, HTTPStatus.SEE_OTHER)
    flash("The document leaves the next version; older versions still hold it.", "good")
    return redirect(url_for("job_pages.show", job_id=receipt.job_id), HTTPStatus.SEE_OTHER)


def _which(name: str, values: Mapping[str, str]) -> DocumentFilter:
    """Return what the fields ask for.

    Raises:
        InvalidRequest: with a pointer for the field that is wrong.
        TagNotFound: the version is named by a tag that is not there.
    """
    ref = values["version"]
    version = resolve(open_shelf(services()), name, ref) if ref else None
    return DocumentFilter(
        version=version,
        state=State(values["state"]) if values["state"] in _STATES else None,
        warned={"yes": True, "no": False}.get(values["warnings"]),
        prefix=values["prefix"],
        where=_condition(values["filter"]),
    )


def _condition(text: str) -> Filter | None:
    if not text:
        return None
    return read_json(text, services().searcher.limits.filter, pointer="/filter")


def _newest(name: str, document_id: str) -> DocumentReport | None:
    """Return the document as it is; None if it is deleted."""
    try:
        return services().records.document(name, document_id)
    except DocumentNotFound:
        return None


def _passages(report: DocumentReport) -> list[Passage]:
    passages = []
    end = 0
    for span in report.chunks:
        text = report.text[span.start : span.end]
        passages.append(Passage(span, text, max(0, min(end, span.end) - span.start)))
        end = span.end
    return passages
