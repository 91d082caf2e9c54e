"""What happened, to be looked up."""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, func, literal, or_, select, tuple_

from shared.catalog.collections.naming import DELETED, IS_THERE
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.events.telling import finished, tell
from shared.catalog.jobs.jobs import FORGOTTEN_AT, UNFINISHED
from shared.catalog.tables import (
    EVENT_COUNTER,
    CollectionRow,
    CounterRow,
    EventRow,
    JobRow,
    WebhookRow,
)
from shared.domain import Event, EventKind

_AT_LAST = 3


class SqlEvents:
    """The port `Events` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def span(self) -> tuple[int, int]:
        """Return the id before the oldest event that is kept, and the id of the newest one ever."""
        with self._database.glance() as tx:
            row = tx.execute(_SPAN).one()
        return (row.newest if row.oldest is None else row.oldest - 1), row.newest

    def after(
        self,
        event_id: int,
        *,
        collections: Collection[str] | None = None,
        job_id: str | None = None,
        limit: int,
    ) -> Sequence[Event]:
        """Return the events with larger ids, in their order: of some collections, of one job."""
        wanted = _EVENTS.where(EventRow.id > event_id).order_by(EventRow.id).limit(limit)
        if collections is not None:
            wanted = wanted.where(CollectionRow.name.in_(sorted(collections)))
        if job_id is not None:
            wanted = wanted.where(EventRow.job_id == job_id)
        with self._database.glance() as tx:
            return [event_of(row) for row in tx.execute(wanted)]

    def note(self, *, after: tuple[float, str], limit: int) -> tuple[int, tuple[float, str] | None]:
        """Look at *limit* jobs not known to be finished; tell of those that are by now.

        Return how many are, and where to go on; None when there are no more.
        """
        wanted = (
            select(JobRow.id, JobRow.accepted_at, (~UNFINISHED).label("done"))
            .where(
                JobRow.finished_at.is_(None),
                JobRow.accepted_at > FORGOTTEN_AT,
                tuple_(JobRow.accepted_at, JobRow.id) > after,
            )
            .order_by(JobRow.accepted_at, JobRow.id)
            .limit(limit)
        )
        with self._database.glance() as tx:
            jobs = tx.execute(wanted).all()
        place = (jobs[-1].accepted_at, jobs[-1].id) if len(jobs) == limit else None
        done = [job.id for job in jobs if job.done]
        if not done:
            return 0, place

        def work(tx: Connection) -> int:
            told = finished(tx, done)
            tell(tx, told)
            return len(told)

        return self._database.run(work), place

    def expire(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* events, oldest first, that no webhook waits for; return how many.

        Whatever its age, none stays that is three times as old.
        """
        awaited = select(func.min(WebhookRow.place)).where(
            WebhookRow.disabled_at.is_(None), WebhookRow.collection_id.not_in(DELETED)
        )
        oldest = select(EventRow.id).order_by(EventRow.id).limit(limit)
        now = db_now()
        nobody = awaited.scalar_subquery()
        statement = delete(EventRow).where(
            EventRow.id.in_(oldest),
            EventRow.at < now - literal(older_than_seconds),
            or_(
                nobody.is_(None),
                EventRow.id <= nobody,
                EventRow.at < now - literal(_AT_LAST * older_than_seconds),
            ),
        )
        return self._database.run(lambda tx: tx.execute(statement).rowcount)


_SPAN = select(
    select(func.min(EventRow.id)).scalar_subquery().label("oldest"),
    select(CounterRow.value)
    .where(CounterRow.name == EVENT_COUNTER)
    .scalar_subquery()
    .label("newest"),
)
_EVENTS = (
    select(EventRow.__table__, CollectionRow.name.label("collection"))
    .join(CollectionRow, CollectionRow.id == EventRow.collection_id)
    .where(IS_THERE)
)


def event_of(row: AnyRow) -> Event:
    """Return the event that a row, with the name of its `collection`, tells of."""
    return Event(
        id=row.id,
        collection=row.collection,
        kind=EventKind(row.kind),
        at=row.at,
        job_id=row.job_id,
        content=json.loads(row.content),
    )
