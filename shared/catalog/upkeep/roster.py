"""Which processes are alive, what waits, and the clock they share."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Update, delete, func, literal, select, update
from sqlalchemy.orm import aliased

from shared.catalog.collections.naming import DELETED
from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.tables import (
    ACTIVE,
    CLAIMED,
    PENDING,
    ChoreRow,
    ClaimRow,
    LeaseRow,
    ProcessRow,
    RevisionRow,
    UploadRow,
)
from shared.domain import Condition, Process, UploadState

_FORGOTTEN_SECONDS = 7 * 86_400.0
"""A process that said nothing for this long is struck off."""
_NOTHING_SAID = Condition()


class SqlRoster:
    """The port `Roster` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> float:
        """Return the catalog's clock."""
        with self._database.glance() as tx:
            return read_clock(tx)

    def beat(self, process: str, kind: str, condition: Condition = _NOTHING_SAID) -> None:
        """Say that *process* (`host:pid`) is alive, and how it is."""
        detail = _to_json(condition)

        def work(tx: Connection) -> None:
            now = read_clock(tx)
            new = insert_new(tx.dialect.name, ProcessRow).values(
                process=process, kind=kind, started_at=now, beat_at=now, detail=detail
            )
            began = tx.scalar(
                new.on_conflict_do_update(
                    index_elements=["process"],
                    set_={"kind": kind, "beat_at": now, "detail": detail},
                ).returning(ProcessRow.started_at)
            )
            if began == now:  # it is new, which is seldom enough to look for those long gone
                tx.execute(delete(ProcessRow).where(ProcessRow.beat_at < now - _FORGOTTEN_SECONDS))

        self._database.run(work)

    def alive(self, *, within_seconds: float) -> Mapping[str, int]:
        """Return how many processes of each kind said so in the last *within_seconds*."""
        with self._database.glance() as tx:
            rows = tx.execute(
                select(ProcessRow.kind, func.count().label("processes"))
                .where(_since_the_last_beat() <= within_seconds)
                .group_by(ProcessRow.kind)
            ).all()
        return {row.kind: row.processes for row in rows}

    def processes(self, *, within_seconds: float) -> Sequence[Process]:
        """Return the processes that `alive` counts, by kind and name."""
        with self._database.glance() as tx:
            rows = tx.execute(
                select(ProcessRow.process, ProcessRow.kind, ProcessRow.beat_at, ProcessRow.detail)
                .where(_since_the_last_beat() <= within_seconds)
                .order_by(ProcessRow.kind, ProcessRow.process)
            ).all()
        return [_process(row) for row in rows]

    def shorten(self, *, lease_seconds: float, delay_seconds: float) -> int:
        """Let nothing last longer than it could have been set to; return how much was shortened.

        Each kind in a transaction of its own: dying in between leaves the rest for the next time,
        and nobody waits for more than one of them.
        """
        count = 0
        for shorter in _shorter(lease_seconds, delay_seconds):
            with self._database.write() as tx:
                count += tx.execute(shorter).rowcount
        return count

    def backlog(self) -> Mapping[str, float]:
        """Return `pending`, `claimed`, and the age in seconds of the `oldest` pending."""
        with self._database.glance() as tx:
            row = tx.execute(_BACKLOG).one()
        return {"pending": row.pending, "claimed": row.claimed, "oldest": max(row.age or 0.0, 0.0)}


def _since_the_last_beat() -> ColumnElement[float]:
    """Return how far the last beat is from now, seconds: before or, if put back, after it."""
    return func.abs(db_now() - ProcessRow.beat_at)


def _shorter(lease_seconds: float, delay_seconds: float) -> Sequence[Update]:
    lease, delay = db_now() + literal(lease_seconds), db_now() + literal(delay_seconds)
    return (
        update(ClaimRow)
        .where(ClaimRow.state == ACTIVE, ClaimRow.lease_until > lease)
        .values(lease_until=lease),
        update(ChoreRow)
        .where(ChoreRow.state == ACTIVE, ChoreRow.lease_until > lease)
        .values(lease_until=lease),
        update(LeaseRow).where(LeaseRow.until > lease).values(until=lease),
        update(RevisionRow)
        .where(RevisionRow.state == PENDING, RevisionRow.not_before > delay)
        .values(not_before=delay),
        update(UploadRow)
        .where(UploadRow.state == UploadState.CLAIMED.value, UploadRow.lease_until > lease)
        .values(lease_until=lease),
        update(UploadRow)
        .where(UploadRow.state == UploadState.PENDING.value, UploadRow.not_before > delay)
        .values(not_before=delay),
    )


def _to_json(condition: Condition) -> str:
    return json.dumps(
        {
            "version": condition.version,
            "schema": condition.schema,
            "encoders": condition.encoders,
            "trouble": condition.trouble,
            "trouble_seconds": condition.trouble_seconds,
            "memory_bytes": condition.memory_bytes,
            "searches": condition.searches,
            "behind": condition.behind,
        }
    )


def _process(row: AnyRow) -> Process:
    # Of earlier code there is none; of later code there may be more.
    said = json.loads(row.detail) if row.detail else {}
    condition = Condition(
        version=said.get("version", ""),
        schema=said.get("schema", ""),
        encoders=tuple(said.get("encoders", ())),
        trouble=said.get("trouble"),
        trouble_seconds=said.get("trouble_seconds", 0.0),
        memory_bytes=said.get("memory_bytes", 0),
        searches=said.get("searches", 0),
        behind=said.get("behind", 0),
    )
    return Process(name=row.process, kind=row.kind, beat_at=row.beat_at, condition=condition)


_other = aliased(RevisionRow)
_BACKLOG = select(
    func.count().label("pending"),
    (db_now() - func.min(RevisionRow.accepted_at)).label("age"),
    select(func.count())
    # Without the second condition, which is always true of them, SQLite reads every revision.
    .where(_other.state == CLAIMED, _other.claim_id > 0)
    .scalar_subquery()
    .label("claimed"),
).where(RevisionRow.state == PENDING, RevisionRow.collection_id.not_in(DELETED))
