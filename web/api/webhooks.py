"""`/collections/{name}/webhooks`: tell other programs what happens."""

from http import HTTPStatus

from flask import Response, url_for

from shared.domain import NewWebhook, Webhook
from shared.webhooks.addresses import check_url
from shared.webhooks.signing import check_secret, make_secret
from web import record
from web.api.models.base import CollectionPath, end_of_page
from web.api.models.jobs import Nothing
from web.api.models.webhooks import (
    DeliveriesQuery,
    DeliveryList,
    DeliveryPath,
    DeliveryShape,
    MadeWebhook,
    NewWebhookBody,
    WebhookChange,
    WebhookList,
    WebhookPath,
    WebhookShape,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("webhooks", "Tell other programs what happens.")


@blueprint.post(
    "/collections/<name>/webhooks", responses={201: MadeWebhook, **problem_responses(400, 404)}
)
def post_webhook(path: CollectionPath, body: NewWebhookBody) -> Response:
    """Make a webhook: POST to an address whatever happens in a collection from now on.

    Calls are signed as Standard Webhooks describes it, with the secret that is shown this once. One
    that is not answered with 2xx is tried again for a day, with growing pauses. An address inside a
    private network is refused unless the installation allows it.
    """
    made, secret = make(path.name, body)
    where = url_for("webhooks.get_webhook", name=path.name, webhook_id=made.id)
    shape = MadeWebhook(secret=secret, webhook=WebhookShape.of(made))
    return answer(shape, HTTPStatus.CREATED, {"Location": where})


def make(name: str, body: NewWebhookBody) -> tuple[Webhook, str]:
    """Make the webhook that a body or a form asks for; return it and its secret.

    Raises:
        InvalidRequest, CollectionNotFound
    """
    it = services()
    check_url(body.url, private=it.settings.webhooks.private)
    secret = make_secret() if body.secret is None else check_secret(body.secret)
    new = NewWebhook(url=body.url, kinds=frozenset(body.events), secret=secret)
    made = it.webhooks.add(name, new, most=it.settings.webhooks.per_collection)
    record.target(webhook=made.id)
    return made, secret


@blueprint.get(
    "/collections/<name>/webhooks", responses={200: WebhookList, **problem_responses(404)}
)
def get_webhooks(path: CollectionPath) -> Response:
    """List the webhooks of a collection, oldest first."""
    found = services().webhooks.of(path.name)
    return answer(WebhookList(webhooks=[WebhookShape.of(one) for one in found]))


@blueprint.get(
    "/collections/<name>/webhooks/<webhook_id>",
    responses={200: WebhookShape, **problem_responses(404)},
)
def get_webhook(path: WebhookPath) -> Response:
    """Show a webhook, and why it is disabled if it is."""
    return answer(WebhookShape.of(services().webhooks.find(path.name, path.webhook_id)))


@blueprint.patch(
    "/collections/<name>/webhooks/<webhook_id>",
    responses={200: WebhookShape, **problem_responses(400, 404)},
)
def patch_webhook(path: WebhookPath, body: WebhookChange) -> Response:
    """Change a webhook, or enable it again after it was disabled."""
    it = services()
    if body.url is not None:
        check_url(body.url, private=it.settings.webhooks.private)
    changed = it.webhooks.change(
        path.name,
        path.webhook_id,
        url=body.url,
        kinds=None if body.events is None else frozenset(body.events),
        enabled=body.enabled,
    )
    return answer(WebhookShape.of(changed))


@blueprint.delete(
    "/collections/<name>/webhooks/<webhook_id>", responses={204: None, **problem_responses(404)}
)
def delete_webhook(path: WebhookPath) -> Response:
    """Remove a webhook, and the log of its deliveries."""
    services().webhooks.remove(path.name, path.webhook_id)
    return Response(status=HTTPStatus.NO_CONTENT)


@blueprint.get(
    "/collections/<name>/webhooks/<webhook_id>/deliveries",
    responses={200: DeliveryList, **problem_responses(404)},
)
def get_deliveries(path: WebhookPath, query: DeliveriesQuery) -> Response:
    """List what was, or is to be, delivered to a webhook, newest first."""
    it = services()
    webhook = it.webhooks.find(path.name, path.webhook_id)
    found = it.deliveries.log(webhook.id, limit=query.limit + 1, before=query.before)
    shown, more = found[: query.limit], len(found) > query.limit
    cursor = end_of_page(shown[-1].created_at, shown[-1].id) if more else None
    shapes = [DeliveryShape.of(one) for one in shown]
    return answer(DeliveryList(deliveries=shapes, next_cursor=cursor))


@blueprint.post(
    "/collections/<name>/webhooks/<webhook_id>/deliveries/<delivery_id>/replay",
    responses={202: DeliveryShape, **problem_responses(400, 404)},
)
def replay_delivery(path: DeliveryPath, body: Nothing) -> Response:  # noqa: ARG001 - must be empty
    """Deliver something once more, now, under the same id."""
    it = services()
    webhook = it.webhooks.find(path.name, path.webhook_id)
    again = it.deliveries.replay(webhook.id, path.delivery_id)
    return answer(DeliveryShape.of(again), HTTPStatus.ACCEPTED)
