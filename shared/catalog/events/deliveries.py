"""What is on its way to webhooks."""

import json
from collections.abc import Sequence

from sqlalchemy import (
    BindParameter,
    Connection,
    bindparam,
    delete,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)

from shared.catalog.collections.naming import IS_THERE
from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.engine.identity import new_id
from shared.catalog.events.events import event_of
from shared.catalog.tables import (
    EVENT_COUNTER,
    CollectionRow,
    CounterRow,
    DeliveryRow,
    EventRow,
    WebhookRow,
)
from shared.domain import Delivery, DeliveryState, Event, EventKind, Parcel, Sent, rfc3339
from shared.errors import DeliveryNotFound

_GONE = 410
_PENDING = text("deliveries.state = 'pending'")  # word by word as its index says


class SqlDeliveries:
    """The port `Deliveries` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, *, limit: int) -> int:
        """Make deliveries of events that webhooks ask for, *limit* a webhook; return how many."""
        with self._database.glance() as tx:
            if tx.scalar(_BEHIND.limit(1)) is None:
                return 0
        return self._database.run(lambda tx: _make(tx, limit))

    def take(self, *, limit: int, lease_seconds: float) -> Sequence[Parcel]:
        """Take deliveries that are due, oldest first; nobody else takes them for so long."""
        due = _DUE.limit(limit)
        with self._database.glance() as tx:
            if tx.execute(due.limit(1)).first() is None:
                return ()

        def work(tx: Connection) -> Sequence[Parcel]:
            now = read_clock(tx)
            rows = tx.execute(due.with_for_update(of=DeliveryRow, skip_locked=True)).all()
            taken = {"ids": [row.id for row in rows], "until": now + lease_seconds}
            tx.execute(_TAKE, taken)
            return [
                Parcel(
                    delivery=_delivery(row, attempts=row.attempts + 1, due_at=now + lease_seconds),
                    url=row.url,
                    secret=row.secret,
                    now=now,
                )
                for row in rows
            ]

        return self._database.run(work)

    def settle(
        self, parcel: Parcel, sent: Sent, *, pause_seconds: float, give_up_seconds: float
    ) -> None:
        """Record how a try went; one that failed is due again after *pause_seconds*.

        Not after *give_up_seconds* since it was first due: then it has failed, and if its webhook
        took nothing else in all that time, that is disabled. It is so at once by the status 410.
        """

        def work(tx: Connection) -> None:
            mine = {"id": parcel.delivery.id, "attempts": parcel.delivery.attempts}
            row = tx.execute(_MINE, mine).one_or_none()
            if row is None:  # replayed, taken by another, or its webhook removed
                return
            now = read_clock(tx)
            overdue = now + pause_seconds - row.since > give_up_seconds
            given_up = sent.error is not None and (overdue or sent.status == _GONE)
            tx.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == row.id)
                .values(**_outcome(sent, now, pause_seconds, given_up=given_up))
            )
            if given_up:
                _disable(tx, row, sent, hours=give_up_seconds / 3600)

        self._database.run(work)

    def log(
        self, webhook_id: str, *, limit: int, before: tuple[float, str] | None = None
    ) -> Sequence[Delivery]:
        """Return the newest deliveries to a webhook, those before a place if given."""
        newest = _DELIVERIES.where(DeliveryRow.webhook_id == webhook_id).order_by(
            DeliveryRow.created_at.desc(), DeliveryRow.id.desc()
        )
        if before is not None:
            newest = newest.where(tuple_(DeliveryRow.created_at, DeliveryRow.id) < before)
        with self._database.glance() as tx:
            return [_delivery(row) for row in tx.execute(newest.limit(limit))]

    def replay(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Make a delivery due again, now, whatever became of it; `DeliveryNotFound`."""
        mine = (DeliveryRow.id == delivery_id, DeliveryRow.webhook_id == webhook_id)
        again = {"state": DeliveryState.PENDING.value, "settled_at": None}
        due = update(DeliveryRow).where(*mine).values(due_at=db_now(), since=db_now(), **again)

        def work(tx: Connection) -> Delivery:
            if not tx.execute(due).rowcount:
                raise DeliveryNotFound(f"There is no delivery {delivery_id!r}.")
            return _delivery(tx.execute(_DELIVERIES.where(*mine)).one())

        return self._database.run(work)

    def expire(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* settled deliveries, oldest first; return how many."""
        old = (
            select(DeliveryRow.id)
            .where(
                DeliveryRow.created_at < db_now() - literal(older_than_seconds),
                DeliveryRow.state != DeliveryState.PENDING.value,
            )
            .order_by(DeliveryRow.created_at)
            .limit(limit)
        )
        statement = delete(DeliveryRow).where(DeliveryRow.id.in_(old))
        return self._database.run(lambda tx: tx.execute(statement).rowcount)


def _make(tx: Connection, limit: int) -> int:
    made = 0
    for webhook in tx.execute(_BEHIND.with_for_update(of=WebhookRow, skip_locked=True)).all():
        # Read first: all events up to there are committed, and so seen by what follows.
        newest: int = tx.execute(_NEWEST).scalar_one()
        wanted = {
            "collection": webhook.collection_id,
            "kinds": json.loads(webhook.kinds),
            "first": webhook.place,
            "last": newest,
            "most": limit,
        }
        events = [event_of(row) for row in tx.execute(_WANTED, wanted)]
        now = read_clock(tx)
        if events:
            tx.execute(insert(DeliveryRow), [_new(webhook.id, one, now) for one in events])
        place = events[-1].id if len(events) == limit else newest
        tx.execute(_MOVE, {"webhook": webhook.id, "came_to": place})
        made += len(events)
    return made


def _new(webhook_id: str, event: Event, now: float) -> dict[str, object]:
    """Return the row of a delivery; its body has the form that Standard Webhooks proposes."""
    content = {"collection": event.collection, "event": event.id, **event.content}
    body = {"type": event.kind.value, "timestamp": rfc3339(event.at), "data": content}
    return {
        "id": new_id(),
        "webhook_id": webhook_id,
        "event_id": event.id,
        "kind": event.kind.value,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        "state": DeliveryState.PENDING.value,
        "attempts": 0,
        "due_at": now,
        "since": now,
        "created_at": now,
    }


def _outcome(sent: Sent, now: float, pause_seconds: float, *, given_up: bool) -> dict[str, object]:
    values: dict[str, object] = {"status": sent.status, "error": sent.error}
    if sent.error is None:
        return values | {"state": DeliveryState.DELIVERED.value, "settled_at": now}
    if given_up:
        return values | {"state": DeliveryState.FAILED.value, "settled_at": now}
    return values | {"due_at": now + pause_seconds}


def _disable(tx: Connection, row: AnyRow, sent: Sent, *, hours: float) -> None:
    """Disable a webhook that is gone, or took nothing since a delivery was first due."""
    taken = (
        select(DeliveryRow.id)
        .where(
            DeliveryRow.webhook_id == row.webhook_id,
            DeliveryRow.state == DeliveryState.DELIVERED.value,
            DeliveryRow.settled_at > row.since,
        )
        .exists()
    )
    reason = f"Nothing could be delivered for {hours:g} hours; the last try: {sent.error}"
    conditions = [WebhookRow.id == row.webhook_id, WebhookRow.disabled_at.is_(None)]
    if sent.status == _GONE:
        reason = "The receiver answered 410, which says that it wants no more."
    else:
        conditions.append(~taken)
    disable = update(WebhookRow).where(*conditions)
    tx.execute(disable.values(disabled_at=db_now(), disabled_for=reason))


_NEWEST = select(CounterRow.value).where(CounterRow.name == EVENT_COUNTER)
_BEHIND = (
    select(WebhookRow.id, WebhookRow.collection_id, WebhookRow.kinds, WebhookRow.place)
    .join(CollectionRow, CollectionRow.id == WebhookRow.collection_id)
    .where(WebhookRow.disabled_at.is_(None), WebhookRow.place < _NEWEST.scalar_subquery(), IS_THERE)
    .order_by(WebhookRow.id)
)
_WANTED = (
    select(EventRow.__table__, CollectionRow.name.label("collection"))
    .join(CollectionRow, CollectionRow.id == EventRow.collection_id)
    .where(
        EventRow.collection_id == bindparam("collection"),
        EventRow.kind.in_(bindparam("kinds", expanding=True)),
        EventRow.id > bindparam("first"),
        EventRow.id <= bindparam("last"),
    )
    .order_by(EventRow.id)
    .limit(bindparam("most"))
)
_MOVE = (
    update(WebhookRow)
    .where(WebhookRow.id == bindparam("webhook"))
    .values(place=bindparam("came_to"))
)
_DUE = (
    select(DeliveryRow.__table__, WebhookRow.url, WebhookRow.secret)
    .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
    .join(CollectionRow, CollectionRow.id == WebhookRow.collection_id)
    .where(_PENDING, DeliveryRow.due_at <= db_now(), WebhookRow.disabled_at.is_(None), IS_THERE)
    .order_by(DeliveryRow.due_at)
)
_ids: BindParameter[str] = bindparam("ids", expanding=True)
_TAKE = (
    update(DeliveryRow)
    .where(DeliveryRow.id.in_(_ids))
    .values(attempts=DeliveryRow.attempts + 1, due_at=bindparam("until"))
)
_MINE = (
    select(DeliveryRow.id, DeliveryRow.webhook_id, DeliveryRow.since)
    .where(
        DeliveryRow.id == bindparam("id"),
        DeliveryRow.attempts == bindparam("attempts"),
        _PENDING,
    )
    .with_for_update()
)
_DELIVERIES = select(DeliveryRow.__table__)


def _delivery(row: AnyRow, *, attempts: int | None = None, due_at: float | None = None) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        event_id=row.event_id,
        kind=EventKind(row.kind),
        body=row.body,
        state=DeliveryState(row.state),
        attempts=row.attempts if attempts is None else attempts,
        due_at=row.due_at if due_at is None else due_at,
        created_at=row.created_at,
        status=row.status,
        error=row.error,
        settled_at=row.settled_at,
    )
