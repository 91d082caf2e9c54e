"""Who is told of what happens."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from shared.catalog.collections.naming import find
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.engine.identity import new_id
from shared.catalog.tables import (
    EVENT_COUNTER,
    CollectionRow,
    CounterRow,
    DeliveryRow,
    WebhookRow,
)
from shared.domain import EventKind, NewWebhook, Webhook
from shared.errors import InvalidRequest, WebhookNotFound


class SqlWebhooks:
    """The port `Webhooks` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, collection: str, new: NewWebhook, *, most: int) -> Webhook:
        """Make a webhook, told of what happens from now on.

        Raises:
            CollectionNotFound: there is no such collection.
            InvalidRequest: the collection has *most* webhooks already.
        """

        def work(tx: Connection) -> Webhook:
            collection_id = find(tx, collection)
            # Locked, so that two at once do not both count the same others.
            tx.execute(_HOLD_COLLECTION, {"id": collection_id})
            if tx.execute(_COUNT, {"collection_id": collection_id}).scalar_one() >= most:
                raise InvalidRequest(f"A collection has {most} webhooks at most.")
            values = {
                "id": new_id(),
                "collection_id": collection_id,
                "url": new.url,
                "secret": new.secret,
                "kinds": _listed(new.kinds),
                "created_at": db_now(),
                "place": _NEWEST,
            }
            tx.execute(insert(WebhookRow).values(**values))
            return _webhook(tx.execute(_WEBHOOKS.where(WebhookRow.id == values["id"])).one())

        return self._database.run(work)

    def of(self, collection: str) -> Sequence[Webhook]:
        """Return the webhooks of a collection, oldest first; `CollectionNotFound`."""
        with self._database.read() as tx:
            mine = _WEBHOOKS.where(WebhookRow.collection_id == find(tx, collection))
            oldest_first = mine.order_by(WebhookRow.created_at, WebhookRow.id)
            return [_webhook(row) for row in tx.execute(oldest_first)]

    def find(self, collection: str, webhook_id: str) -> Webhook:
        """Return a webhook of a collection.

        Raises:
            CollectionNotFound, WebhookNotFound
        """
        with self._database.read() as tx:
            return _webhook(_find(tx, collection, webhook_id))

    def change(
        self,
        collection: str,
        webhook_id: str,
        *,
        url: str | None = None,
        kinds: frozenset[EventKind] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change a webhook; None leaves something as it is.

        One that is enabled again is not told of what happened meanwhile.

        Raises:
            CollectionNotFound, WebhookNotFound
        """
        values: dict[str, object] = {}
        if url is not None:
            values["url"] = url
        if kinds is not None:
            values["kinds"] = _listed(kinds)

        def work(tx: Connection) -> Webhook:
            known = _find(tx, collection, webhook_id)
            changes = values | _enabling(known, enabled=enabled)
            if changes:
                mine = update(WebhookRow).where(WebhookRow.id == webhook_id)
                tx.execute(mine.values(**changes))
            return _webhook(_find(tx, collection, webhook_id))

        return self._database.run(work)

    def remove(self, collection: str, webhook_id: str) -> None:
        """Remove a webhook and its deliveries.

        Raises:
            CollectionNotFound, WebhookNotFound
        """

        def work(tx: Connection) -> None:
            _find(tx, collection, webhook_id)
            mine = WebhookRow.id == webhook_id
            # Before its deliveries: whoever makes new ones holds it.
            tx.execute(select(WebhookRow.id).where(mine).with_for_update())
            tx.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
            tx.execute(delete(WebhookRow).where(mine))

        self._database.run(work)


def _enabling(known: AnyRow, *, enabled: bool | None) -> dict[str, object]:
    if enabled is None or enabled == (known.disabled_at is None):
        return {}
    if enabled:
        return {"disabled_at": None, "disabled_for": None, "place": _NEWEST}
    return {"disabled_at": db_now(), "disabled_for": "It was switched off."}


def _find(tx: Connection, collection: str, webhook_id: str) -> AnyRow:
    wanted = _WEBHOOKS.where(
        WebhookRow.collection_id == find(tx, collection), WebhookRow.id == webhook_id
    )
    row = tx.execute(wanted).one_or_none()
    if row is None:
        raise WebhookNotFound(f"There is no webhook {webhook_id!r}.")
    return row


def _listed(kinds: frozenset[EventKind]) -> str:
    return json.dumps(sorted(kinds))


_NEWEST = select(CounterRow.value).where(CounterRow.name == EVENT_COUNTER).scalar_subquery()
_HOLD_COLLECTION = (
    select(CollectionRow.id)
    .where(CollectionRow.id == bindparam("id"))
    .with_for_update(key_share=True)
)
_COUNT = (
    select(func.count())
    .select_from(WebhookRow)
    .where(WebhookRow.collection_id == bindparam("collection_id"))
)
_waiting = (
    select(func.count())
    .where(DeliveryRow.webhook_id == WebhookRow.id, DeliveryRow.state == "pending")
    .correlate(WebhookRow)
    .scalar_subquery()
)
_WEBHOOKS = select(
    WebhookRow.__table__, CollectionRow.name.label("collection"), _waiting.label("waiting")
).join(CollectionRow, CollectionRow.id == WebhookRow.collection_id)


def _webhook(row: AnyRow) -> Webhook:
    return Webhook(
        id=row.id,
        collection=row.collection,
        url=row.url,
        kinds=frozenset(EventKind(one) for one in json.loads(row.kinds)),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        disabled_for=row.disabled_for,
        waiting=row.waiting,
    )
