"""`/collections`: what there is, and a new one."""

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from shared.domain import Chunking, ChunkingMode, Metric
from shared.errors import CollectionExists, EncoderNotInstalled, InvalidRequest
from web import record
from web.access import visible
from web.api.collections import create as create_collection
from web.api.collections import find_stats
from web.api.models.collections import NewCollection
from web.context import services
from web.pages.forms import errors_by_field, typed
from web.problems import refuse_invalid

blueprint = Blueprint("collection_pages", __name__)

_FIELDS = ("name", "encoder", "metric", "mode", "max_tokens", "overlap_tokens")
_LISTED = 50


@blueprint.get("/collections")
def index() -> str:
    """List collections, with a form to create one."""
    return _page({}, {})


@blueprint.post("/collections")
def create() -> ResponseReturnValue:
    """Create a collection and show it, or the form again with what is wrong."""
    values = typed(*_FIELDS)
    try:
        record.target(collection=values["name"])
        wanted = _parse(values)
        create_collection(wanted)
    except CollectionExists as error:
        return _page(values, {"name": error.detail}), HTTPStatus.CONFLICT
    except EncoderNotInstalled as error:
        return _page(values, {"encoder": error.detail}), HTTPStatus.UNPROCESSABLE_ENTITY
    except InvalidRequest as error:
        told = errors_by_field(_flat(error), "/", _FIELDS)
        return _page(values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    return redirect(url_for("collection_pages.show", name=wanted.name), HTTPStatus.SEE_OTHER)


@blueprint.get("/collections/<name>")
def show(name: str) -> str:
    """Show a collection and its versions."""
    return render_template(
        "collection.html",
        one=find_stats(name),
        versions=services().records.versions(name, limit=_LISTED, kept_only=True),
        most=_LISTED,
    )


def _parse(values: dict[str, str]) -> NewCollection:
    given = {name: text.strip() for name, text in values.items() if text.strip()}
    chunking = {
        name: given.pop(name) for name in ("mode", "max_tokens", "overlap_tokens") if name in given
    }
    try:
        return NewCollection.model_validate({**given, "chunking": chunking})
    except ValidationError as error:
        refuse_invalid(error)
        raise


def _flat(error: InvalidRequest) -> InvalidRequest:
    """Return *error* with pointers as flat as the form is."""
    faults = [type(one)(one.pointer.replace("/chunking/", "/"), one.detail) for one in error.faults]
    return InvalidRequest(error.detail, faults)


def _page(values: dict[str, str], told: dict[str, str]) -> str:
    return render_template(
        "collections.html",
        stats=visible(services().collections.stats(), lambda one: one.collection.name),
        encoders=services().encoders.cards(),
        default_encoder=services().settings.encoder,
        metrics=list(Metric),
        modes=list(ChunkingMode),
        default_overlap=Chunking().overlap_tokens,
        values=values,
        told=told,
    )
