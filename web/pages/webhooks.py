"""`/collections/<name>/webhooks`: other programs that are told what happens, and what they got."""

from http import HTTPStatus

from flask import Blueprint, flash, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from shared.domain import EventKind
from shared.errors import DeliveryNotFound, InvalidRequest
from web.api.models.base import end_of_page
from web.api.models.webhooks import DeliveriesQuery, NewWebhookBody
from web.api.webhooks import make
from web.context import services
from web.pages.collection_frame import back_to, render, say
from web.pages.forms import checked, errors_by_field, typed

blueprint = Blueprint("webhook_pages", __name__)

_FIELDS = ("url",)
_LISTED = 20
_KINDS = {
    EventKind.JOB_FINISHED: "a job is finished",
    EventKind.DOCUMENT_FAILED: "a document failed",
    EventKind.VERSION_PUBLISHED: "a version is published",
}


@blueprint.get("/collections/<name>/webhooks")
def index(name: str) -> str:
    """List the webhooks of a collection, with a form for a new one."""
    return _page(name, {}, {})


@blueprint.post("/collections/<name>/webhooks")
def create(name: str) -> ResponseReturnValue:
    """Make a webhook and show its secret this once, or the form with what is wrong."""
    values = typed(*_FIELDS)
    kinds = request.form.getlist("events")
    try:
        given = {"url": values["url"].strip(), "events": kinds}
        made, secret = make(name, checked(NewWebhookBody, given))
    except InvalidRequest as error:
        told = errors_by_field(error, "/", ("url", "events"))
        if not error.faults:  # of the address, which is looked at by itself
            told = {"url": error.detail}
        return _page(name, values, told, kinds=kinds), HTTPStatus.UNPROCESSABLE_ENTITY
    # Never redirected: a secret belongs into no address, no cookie and no history.
    return _page(name, {}, {}, made=made.id, secret=secret), HTTPStatus.CREATED


@blueprint.get("/collections/<name>/webhooks/<webhook_id>")
def show(name: str, webhook_id: str) -> str:
    """Show a webhook with the log of its deliveries, newest first."""
    it = services()
    webhook = it.webhooks.find(name, webhook_id)
    given = {"cursor": request.args["cursor"]} if "cursor" in request.args else {}
    query = checked(DeliveriesQuery, given)
    found = it.deliveries.log(webhook.id, limit=_LISTED + 1, before=query.before)
    shown = found[:_LISTED]
    more = len(found) > _LISTED
    return render(
        "collection/webhook.html",
        name,
        webhook=webhook,
        kinds=_KINDS,
        deliveries=shown,
        next_cursor=end_of_page(shown[-1].created_at, shown[-1].id) if more else None,
    )


@blueprint.post("/collections/<name>/webhooks/<webhook_id>/enabled")
def enable(name: str, webhook_id: str) -> Response:
    """Have a webhook told again, or no more."""
    enabled = request.form.get("enabled") == "yes"
    services().webhooks.change(name, webhook_id, enabled=enabled)
    flash(
        "It is told again of what happens from now on." if enabled else "It is told no more.",
        "good",
    )
    return back_to("webhook_pages.show", name, webhook_id=webhook_id)


@blueprint.post("/collections/<name>/webhooks/<webhook_id>/delete")
def delete(name: str, webhook_id: str) -> Response:
    """Remove a webhook and its log."""
    services().webhooks.remove(name, webhook_id)
    flash("The webhook is removed.", "good")
    return back_to("webhook_pages.index", name)


@blueprint.post("/collections/<name>/webhooks/<webhook_id>/deliveries/<delivery_id>/replay")
def replay(name: str, webhook_id: str, delivery_id: str) -> Response:
    """Deliver something once more."""
    it = services()
    webhook = it.webhooks.find(name, webhook_id)
    try:
        it.deliveries.replay(webhook.id, delivery_id)
        flash("It is delivered once more, under the same id.", "good")
    except DeliveryNotFound as error:
        say(error)
    return back_to("webhook_pages.show", name, webhook_id=webhook_id)


def _page(
    name: str,
    values: dict[str, str],
    told: dict[str, str],
    *,
    kinds: list[str] | None = None,
    made: str | None = None,
    secret: str | None = None,
) -> str:
    return render(
        "collection/webhooks.html",
        name,
        webhooks=services().webhooks.of(name),
        kinds=_KINDS,
        chosen=list(EventKind) if kinds is None else kinds,
        values=values,
        told=told,
        made=made,
        secret=secret,
    )
