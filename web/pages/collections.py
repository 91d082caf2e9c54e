"""`/collections`: what there is, a new one, those that can be recovered, and one at a glance."""

from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from shared.domain import Chunking, ChunkingMode, Metric
from shared.errors import (
    CollectionExists,
    CollectionNotFound,
    EncoderNotInstalled,
    InvalidRequest,
)
from web import record
from web.access import visible
from web.api.collections import create as create_collection
from web.api.collections import recover as recover_collection
from web.api.models.collections import DeletedShape, NewCollection, Recovery
from web.context import services
from web.pages.collection_frame import back_to, render, say
from web.pages.forms import checked, errors_by_field, filled, flat, typed

blueprint = Blueprint("collection_pages", __name__)

_FIELDS = ("name", "encoder", "metric", "mode", "max_tokens", "overlap_tokens")
_NEWEST = 5


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
        told = errors_by_field(flat(error, "/chunking/"), "/", _FIELDS)
        return _page(values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    return redirect(url_for("collection_pages.show", name=wanted.name), HTTPStatus.SEE_OTHER)


@blueprint.get("/collections/<name>")
def show(name: str) -> str:
    """Show a collection at a glance: its numbers, and its newest versions."""
    newest = services().records.versions(name, limit=_NEWEST + 1, kept_only=True, content_only=True)
    return render(
        "collection/overview.html",
        name,
        versions=newest[:_NEWEST],
        more=len(newest) > _NEWEST,
        aliases=[alias for alias, to in services().names.aliases().items() if to == name],
    )


@blueprint.post("/collections/<name>/recover")
def recover(name: str) -> Response:
    """Undo the delete of a collection, under a new name if one is given."""
    try:
        given = {key: request.form.get(key, "") for key in ("id", "new_name")}
        body = checked(Recovery, filled(given))
        recovered = recover_collection(name, body)
    except (InvalidRequest, CollectionExists, CollectionNotFound) as error:
        say(error)
        return redirect(url_for("collection_pages.index"), HTTPStatus.SEE_OTHER)
    flash(f"“{recovered.name}” is back, with all that waited in it.", "good")
    return back_to("collection_pages.show", recovered.name)


def _parse(values: dict[str, str]) -> NewCollection:
    given: dict[str, object] = dict(filled(values))
    chunking = {
        name: given.pop(name) for name in ("mode", "max_tokens", "overlap_tokens") if name in given
    }
    return checked(NewCollection, {**given, "chunking": chunking})


def _page(values: dict[str, str], told: dict[str, str]) -> str:
    it = services()
    days = it.settings.retention.deleted_days
    return render_template(
        "collections.html",
        stats=visible(it.collections.stats(), lambda one: one.collection.name),
        deleted=[
            DeletedShape.of(one, days)
            for one in visible(it.discards.discarded(), lambda one: one.name)
        ],
        encoders=it.encoders.cards(),
        default_encoder=it.settings.encoder,
        metrics=list(Metric),
        modes=list(ChunkingMode),
        default_overlap=Chunking().overlap_tokens,
        values=values,
        told=told,
    )
