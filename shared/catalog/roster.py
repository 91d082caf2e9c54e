"""Which processes are alive, what waits, and the clock they share."""

from collections.abc import Mapping

from sqlalchemy import func, literal, select
from sqlalchemy.orm import aliased

from shared.catalog.clock import db_now, read_clock
from shared.catalog.database import Database
from shared.catalog.dialect import insert_new
from shared.catalog.tables import CLAIMED, PENDING, ProcessRow, RevisionRow


class SqlRoster:
    """The port `Roster` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> float:
        """Return the catalog's clock."""
        with self._database.glance() as tx:
            return read_clock(tx)

    def beat(self, process: str, kind: str) -> None:
        """Say that *process* (`host:pid`) is alive."""
        with self._database.write() as tx:
            now = read_clock(tx)
            new = insert_new(tx.dialect.name, ProcessRow).values(
                process=process, kind=kind, started_at=now, beat_at=now
            )
            tx.execute(
                new.on_conflict_do_update(
                    index_elements=["process"], set_={"kind": kind, "beat_at": now}
                )
            )

    def alive(self, *, within_seconds: float) -> Mapping[str, int]:
        """Return how many processes of each kind said so in the last *within_seconds*."""
        lately = db_now() - literal(within_seconds)
        with self._database.glance() as tx:
            rows = tx.execute(
                select(ProcessRow.kind, func.count().label("processes"))
                .where(ProcessRow.beat_at >= lately)
                .group_by(ProcessRow.kind)
            ).all()
        return {row.kind: row.processes for row in rows}

    def backlog(self) -> Mapping[str, float]:
        """Return `pending`, `claimed`, and the age in seconds of the `oldest` pending."""
        with self._database.glance() as tx:
            row = tx.execute(_BACKLOG).one()
        return {"pending": row.pending, "claimed": row.claimed, "oldest": max(row.age or 0.0, 0.0)}


_other = aliased(RevisionRow)
_BACKLOG = select(
    func.count().label("pending"),
    (db_now() - func.min(RevisionRow.accepted_at)).label("age"),
    select(func.count())
    # Without the second condition, which is always true of them, SQLite reads every revision.
    .where(_other.state == CLAIMED, _other.claim_id > 0)
    .scalar_subquery()
    .label("claimed"),
).where(RevisionRow.state == PENDING)
