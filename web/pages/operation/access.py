"""`/operation/keys`: who may do what."""

from http import HTTPStatus

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from shared.access.making import MadeKey, create_key
from shared.domain import Scope
from shared.errors import Fault, InvalidRequest
from web import record
from web.access import caller
from web.context import services
from web.pages.forms import errors_by_field, typed
from web.pages.operation.tabs import blueprint

_FIELDS = ("name", "scope", "collections", "days")
_SCOPES = {
    Scope.SEARCH: "search and look things up",
    Scope.WRITE: "also hand in and delete documents",
    Scope.ADMIN: "everything",
    Scope.METRICS: "read /metrics, and nothing else",
}


@blueprint.get("/keys")
def keys() -> str:
    """List every key that was made, with a form for a new one."""
    # A first key that cannot administer would leave nobody here who can.
    first = not services().keyring.closed
    return _page({"scope": Scope.ADMIN.value} if first else {}, {})


@blueprint.post("/keys")
def create() -> ResponseReturnValue:
    """Make a key and show it this once, or the form again with what is wrong."""
    values = typed(*_FIELDS)
    it = services()
    was_open = not it.keyring.closed
    try:
        made = create_key(
            it.keys,
            caller(),
            values["name"],
            _scope(values["scope"]),
            collections=_names(values["collections"]),
            days=_days(values["days"]),
        )
    except InvalidRequest as error:
        told = errors_by_field(error, "/", _FIELDS)
        return _page(values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    it.keyring.forget()
    record.target(key=made.key.id, name=made.key.name, scope=made.key.scope.value)
    # Never redirected: a key belongs into no address, no cookie and no history.
    return _page({}, {}, made=made, first=was_open), HTTPStatus.CREATED


@blueprint.post("/keys/<key_id>/revoke")
def revoke(key_id: str) -> Response:
    """End a key at once."""
    key = services().keys.revoke(key_id)
    services().keyring.forget()
    flash(f"The key “{key.name}” opens nothing any more.", "good")
    return redirect(url_for("operation.keys"), HTTPStatus.SEE_OTHER)


def _page(
    values: dict[str, str],
    told: dict[str, str],
    *,
    made: MadeKey | None = None,
    first: bool = False,
) -> str:
    return render_template(
        "operation/keys.html",
        keys=services().keys.made(),
        closed=services().keyring.closed,
        scopes=_SCOPES,
        values=values,
        told=told,
        made=made,
        first=first,
        own=caller().key_id,
    )


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise InvalidRequest(None, [Fault("/scope", "is none of those offered")]) from None


def _names(text: str) -> list[str] | None:
    return [one.strip() for one in text.split(",") if one.strip()] or None


def _days(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        fault = Fault("/days", "must be a number of days, or blank for ever")
        raise InvalidRequest(None, [fault]) from None
