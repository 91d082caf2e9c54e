"""`lamina webhooks`: have other programs told what happens in a collection."""

from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson, InCollection
from shared.cli.terminal import answer, answer_json, answer_table, failures
from shared.client.replies import Body, WebhookReply

Id = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id.")]


def create_webhook(
    url: Annotated[str, typer.Argument(help="Where to POST to.")],
    collection: InCollection = "default",
    *,
    event: Annotated[
        list[str] | None,
        typer.Option(help="job.finished, document.failed or version.published; by default all."),
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Make a webhook; the secret that signs its calls is shown this once.

    \b
    lamina webhooks create https://example.org/hook -c papers --event job.finished
    """
    request: Body = {"url": url} | ({"events": event} if event else {})
    with failures(), configuration.connect() as client:
        made = client.create_webhook(collection, request)
        if json:
            answer_json(made)
        else:
            answer(f"{made['webhook']['id']}\nsecret: {made['secret']}  (shown this once)")


def list_webhooks(collection: InCollection = "default", *, json: AsJson = False) -> None:
    r"""List the webhooks of a collection.

    \b
    lamina webhooks list -c papers
    """
    with failures(), configuration.connect() as client:
        found = client.webhooks(collection)
        if json:
            answer_json(found)
            return
        columns = ("id", "url", "events", "state", "waiting")
        answer_table(columns, [_row(one) for one in found])


def _row(one: WebhookReply) -> tuple[object, ...]:
    state = "enabled" if one["enabled"] else f"disabled: {one['disabled_for'] or 'by request'}"
    return (one["id"], one["url"], ", ".join(one["events"]), state, one["waiting"])


def set_webhook(
    webhook: Id,
    collection: InCollection = "default",
    *,
    url: Annotated[str | None, typer.Option(help="Where to POST to.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="What to tell of.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it is told at all.")
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Change a webhook, or enable it again.

    \b
    lamina webhooks set ID -c papers --enable
    """
    asked: Body = {"url": url, "events": event or None, "enabled": enabled}
    change = {key: value for key, value in asked.items() if value is not None}
    with failures(), configuration.connect() as client:
        found = client.change_webhook(collection, webhook, change)
        if json:
            answer_json(found)
        else:
            answer(f"{found['id']}  {found['url']}  {_row(found)[3]}")


def delete_webhook(webhook: Id, collection: InCollection = "default") -> None:
    r"""Remove a webhook and the log of its deliveries.

    \b
    lamina webhooks delete ID -c papers
    """
    with failures(), configuration.connect() as client:
        client.delete_webhook(collection, webhook)


def list_deliveries(
    webhook: Id,
    collection: InCollection = "default",
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    r"""List what was, or is to be, delivered to a webhook.

    \b
    lamina webhooks deliveries ID -c papers
    """
    with failures(), configuration.connect() as client:
        found = client.deliveries(collection, webhook, limit=limit)
        if json:
            answer_json(found)
            return
        columns = ("id", "event", "type", "state", "tries", "status", "created", "error")
        answer_table(
            columns,
            [
                (
                    one["id"],
                    one["event"],
                    one["type"],
                    one["state"],
                    one["attempts"],
                    one["status"],
                    one["created_at"],
                    one["error"],
                )
                for one in found
            ],
        )


def replay_delivery(
    webhook: Id,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id.")],
    collection: InCollection = "default",
) -> None:
    r"""Deliver something once more, now.

    \b
    lamina webhooks replay ID DELIVERY -c papers
    """
    with failures(), configuration.connect() as client:
        client.replay_delivery(collection, webhook, delivery)
