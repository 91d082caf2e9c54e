"""`/collections/<name>/settings`: what a collection is called and keeps, and its end."""

from http import HTTPStatus

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from shared.errors import (
    CollectionExists,
    CollectionInUse,
    Fault,
    InvalidRequest,
)
from web import record
from web.api.collections import change
from web.api.models.collections import CollectionChange
from web.context import services
from web.pages.collection_frame import back_to, render
from web.pages.forms import checked, errors_by_field, filled, typed

blueprint = Blueprint("setting_pages", __name__)

_RETENTION = ("versions", "days")
_RENAME = ("new_name",)
_ALIAS = ("alias",)
_DELETE = ("confirm",)


@blueprint.get("/collections/<name>/settings")
def show(name: str) -> str:
    """Show what can be changed of a collection."""
    return _page(name, {}, {})


@blueprint.post("/collections/<name>/settings/retention")
def keep(name: str) -> ResponseReturnValue:
    """Change which versions stay, and whether originals do."""
    values = typed(*_RETENTION)
    given = {
        "retention": {**filled(values), "thinned": request.form.get("thinned") == "yes"},
        "keep_originals": request.form.get("keep_originals") == "yes",
    }
    try:
        change(name, checked(CollectionChange, given))
    except InvalidRequest as error:
        told = errors_by_field(error, "/retention/", _RETENTION)
        return _page(name, values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    flash("Saved. What the rule lets go is removed within a minute or so.", "good")
    return back_to("setting_pages.show", name)


@blueprint.post("/collections/<name>/settings/name")
def rename(name: str) -> ResponseReturnValue:
    """Call the collection something else."""
    values = typed(*_RENAME)
    try:
        body = checked(CollectionChange, {"name": values["new_name"].strip()})
        renamed = change(name, body)
    except InvalidRequest as error:
        told = errors_by_field(_at(error, "/name", "/new_name"), "/", _RENAME)
        return _page(name, values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    except CollectionExists as error:
        return _page(name, values, {"new_name": error.detail}), HTTPStatus.CONFLICT
    record.target(new_name=renamed.name)
    flash(f"It is called {renamed.name} now. Programs that use the old name must learn it.", "good")
    return back_to("setting_pages.show", renamed.name)


@blueprint.post("/collections/<name>/settings/aliases")
def add_alias(name: str) -> ResponseReturnValue:
    """Let a further name lead to the collection; one that leads elsewhere is moved."""
    values = typed(*_ALIAS)
    alias = values["alias"].strip()
    record.target(alias=alias)
    try:
        services().names.point({alias: name})
    except InvalidRequest as error:
        told = {"alias": error.detail}
        return _page(name, values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    except CollectionExists as error:
        return _page(name, values, {"alias": error.detail}), HTTPStatus.CONFLICT
    flash(f"{alias} leads here now.", "good")
    return back_to("setting_pages.show", name)


@blueprint.post("/collections/<name>/settings/aliases/remove")
def remove_alias(name: str) -> Response:
    """Take a further name away, if it leads here still."""
    alias = request.form.get("alias", "")
    record.target(alias=alias)
    if services().names.aliases().get(alias) == name:
        services().names.point({alias: None})
        flash(f"{alias} leads nowhere any more.", "good")
    return back_to("setting_pages.show", name)


@blueprint.post("/collections/<name>/settings/delete")
def delete(name: str) -> ResponseReturnValue:
    """Delete the collection, whose name has to be typed in."""
    values = typed(*_DELETE)
    if values["confirm"].strip() != name:
        told = {"confirm": f"Type {name} to delete it."}
        return _page(name, values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    it = services()
    try:
        deleted = it.discards.discard(name)
    except CollectionInUse as error:
        return _page(name, values, {"confirm": error.detail}), HTTPStatus.CONFLICT
    record.target(collection=deleted.name, id=str(deleted.id))
    days = it.settings.retention.deleted_days
    flash(f"{deleted.name} is deleted. It can be recovered for {days:g} days.", "note")
    return redirect(url_for("collection_pages.index"), HTTPStatus.SEE_OTHER)


def _page(name: str, values: dict[str, str], told: dict[str, str]) -> str:
    it = services()
    collection = it.collections.get(name)
    rule = collection.retention
    shown = {"versions": str(rule.versions), "days": f"{rule.days:g}"} | values
    return render(
        "collection/settings.html",
        name,
        values=shown,
        told=told,
        rule=rule,
        aliases=sorted(one for one, to in it.names.aliases().items() if to == name),
        webhooks=it.webhooks.of(name),
        deleted_days=it.settings.retention.deleted_days,
    )


def _at(error: InvalidRequest, pointer: str, field: str) -> InvalidRequest:
    """Return *error* with what is wrong at *pointer* told of *field*."""
    faults = [
        Fault(field, one.detail) if one.pointer == pointer else one for one in error.faults
    ] or [Fault(field, error.detail)]
    return InvalidRequest(error.detail, faults)
