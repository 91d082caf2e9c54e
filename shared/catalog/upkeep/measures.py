"""Sums of what all processes counted."""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, select

from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import insert_new
from shared.catalog.tables import MeasureRow
from shared.domain import Series


class SqlMeasures:
    """The port `Measures` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, counts: Mapping[Series, float]) -> None:
        """Add to the sums; one transaction.

        Raises:
            CommitUnknown: the connection was lost during COMMIT.
        """
        # In one order for everybody, or two processes would deadlock on PostgreSQL.
        rows = [
            {"name": series.name, "labels": json.dumps(series.labels), "value": float(amount)}
            for series, amount in sorted(counts.items())
        ]

        def work(tx: Connection) -> None:
            new = insert_new(tx.dialect.name, MeasureRow)
            more = new.on_conflict_do_update(
                index_elements=["name", "labels"],
                set_={"value": MeasureRow.value + new.excluded.value},
            )
            tx.execute(more, rows)

        if rows:
            self._database.run(work)

    def sums(self) -> Mapping[Series, float]:
        """Return every sum."""
        with self._database.glance() as tx:
            rows = tx.execute(select(MeasureRow.name, MeasureRow.labels, MeasureRow.value)).all()
        return {_series(row.name, row.labels): row.value for row in rows}


def _series(name: str, labels: str) -> Series:
    return Series(name, tuple((str(one), str(value)) for one, value in json.loads(labels)))
