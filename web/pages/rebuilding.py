"""`/collections/<name>/rebuild`: how documents are cut and encoded, and doing it anew."""

from collections.abc import Mapping
from http import HTTPStatus

from flask import Blueprint, flash, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from shared.domain import ChunkingMode, Metric, Rebuild, RebuildFailure
from shared.errors import (
    EncoderNotInstalled,
    InvalidRequest,
    LaminaError,
    RebuildUnderWay,
)
from shared.services import Services
from web.api.collections import begin_rebuild, shape_of
from web.api.models.rebuilds import NewRebuild, RebuildShape
from web.context import services
from web.pages.collection_frame import back_to, render, say
from web.pages.forms import checked, errors_by_field, filled, flat, typed

blueprint = Blueprint("rebuild_pages", __name__)

_FIELDS = ("encoder", "metric", "mode", "max_tokens", "overlap_tokens")
_CHUNKING = ("mode", "max_tokens", "overlap_tokens")
_FAILURES = 20


@blueprint.get("/collections/<name>/rebuild")
def show(name: str) -> str:
    """Show how the collection is cut and encoded, and how far a rebuild is."""
    return _page(name, {}, {})


@blueprint.get("/collections/<name>/rebuild/progress")
def progress(name: str) -> str:
    """Return the part of the page that changes while a rebuild is under way."""
    found, failures = _under_way(name)
    return render_template(
        "collection/_rebuild.html", name=name, rebuild=found, failures=failures, asked=True
    )


def standing(it: Services, arguments: Mapping[str, str]) -> object:
    """Return what the part of the page about a rebuild is made of, for `/live`."""
    return it.rebuilds.last(it.collections.get(arguments["name"]).id)


@blueprint.post("/collections/<name>/rebuild")
def begin(name: str) -> ResponseReturnValue:
    """Begin a rebuild, or show the form again with what is wrong."""
    values = typed(*_FIELDS)
    given: dict[str, object] = dict(filled(values))
    chunking = {field: given.pop(field) for field in _CHUNKING if field in given}
    try:
        wanted = checked(NewRebuild, {**given, "chunking": chunking or None})
        begun = begin_rebuild(name, wanted)
    except RebuildUnderWay as error:
        return _page(name, values, {"": error.detail}), HTTPStatus.CONFLICT
    except EncoderNotInstalled as error:
        return _page(name, values, {"encoder": error.detail}), HTTPStatus.UNPROCESSABLE_ENTITY
    except InvalidRequest as error:
        told = errors_by_field(flat(error, "/chunking/"), "/", _FIELDS)
        return _page(name, values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    if begun is None:
        flash("It is cut and encoded just so already; nothing was begun.", "note")
    return back_to("rebuild_pages.show", name)


@blueprint.post("/collections/<name>/rebuild/again")
def again(name: str) -> Response:
    """Try documents that failed once more, or leave them out."""
    try:
        begin_rebuild(name, NewRebuild(force=request.form.get("force") == "yes"))
    except LaminaError as error:
        say(error)
    return back_to("rebuild_pages.show", name)


@blueprint.post("/collections/<name>/rebuild/cancel")
def cancel(name: str) -> Response:
    """Cancel the rebuild that is under way."""
    try:
        services().rebuilds.cancel(name)
    except LaminaError as error:
        say(error)
    else:
        flash("The rebuild is cancelled; the collection stays as it was.", "good")
    return back_to("rebuild_pages.show", name)


def _page(name: str, values: dict[str, str], told: dict[str, str]) -> str:
    it = services()
    space = it.collections.get(name).space
    rule = space.chunking
    now = {
        "encoder": space.encoder,
        "metric": space.metric.value,
        "mode": rule.mode.value,
        "max_tokens": str(rule.max_tokens or ""),
        "overlap_tokens": str(rule.overlap_tokens),
    }
    found, failures = _under_way(name)
    return render(
        "collection/rebuild.html",
        name,
        rebuild=found,
        failures=failures,
        encoders=it.encoders.cards(),
        metrics=list(Metric),
        modes=list(ChunkingMode),
        values=values or now,
        told=told,
    )


def _under_way(name: str) -> tuple[RebuildShape | None, list[RebuildFailure]]:
    """Return the rebuild that began last, with some of the documents that it waits for."""
    it = services()
    found: Rebuild | None = it.rebuilds.last(it.collections.get(name).id)
    if found is None:
        return None, []
    failures = [] if found.state.ended else list(it.rebuilds.failures(found, limit=_FAILURES))
    return shape_of(found), failures
