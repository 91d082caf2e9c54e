"""How the installation was lately: a ring of readings."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, delete, or_, select

from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import insert_new
from shared.catalog.tables import ReadingRow
from shared.domain import Reading


class SqlHistory:
    """The port `History` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, reading: Reading, *, every_seconds: float, kept_seconds: float) -> bool:
        """Keep a reading as that of now, unless there is one; let older ones go."""
        detail = json.dumps(
            {
                "sums": dict(reading.sums),
                "backlog": dict(reading.backlog),
                "oldest_seconds": dict(reading.oldest_seconds),
            },
            separators=(",", ":"),
        )

        def work(tx: Connection) -> bool:
            now = read_clock(tx)
            # Those ahead of now are from before the clock was put back.
            gone = or_(ReadingRow.at < now - kept_seconds, ReadingRow.at > now)
            tx.execute(delete(ReadingRow).where(gone))
            new = insert_new(tx.dialect.name, ReadingRow).values(
                slot=int(now // every_seconds), at=now, detail=detail
            )
            unless_there = new.on_conflict_do_nothing(index_elements=["slot"])
            return tx.scalar(unless_there.returning(ReadingRow.slot)) is not None

        return self._database.run(work)

    def readings(self, *, within_seconds: float) -> Sequence[Reading]:
        """Return the readings of the last *within_seconds*, oldest first."""
        with self._database.glance() as tx:
            rows = tx.execute(
                select(ReadingRow.at, ReadingRow.detail)
                .where(ReadingRow.at > read_clock(tx) - within_seconds)
                .order_by(ReadingRow.at)
            ).all()
        return [_reading(row.at, json.loads(row.detail)) for row in rows]


def _reading(at: float, said: dict[str, dict[str, float]]) -> Reading:
    return Reading(
        at=at,
        sums=said["sums"],
        backlog={lane: int(count) for lane, count in said["backlog"].items()},
        oldest_seconds=said["oldest_seconds"],
    )
