"""The record of administrative acts."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert, literal, select, update

from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.tables import AuditRow
from shared.domain import Act, AuditEntry

_PRUNE_EVERY = 100  # entries


class SqlAudit:
    """The port `Audit` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, act: Act, *, kept_seconds: float) -> int:
        """Record that an act is about to happen; return the entry's id.

        Now and then entries older than *kept_seconds* are removed.
        """
        new = (
            insert(AuditRow)
            .values(
                at=db_now(),
                who=act.who,
                key_id=act.key_id,
                address=act.address,
                what=act.what,
                target=json.dumps(dict(act.target)),
            )
            .returning(AuditRow.id)
        )

        def work(tx: Connection) -> int:
            entry_id = tx.execute(new).scalar_one()
            if entry_id % _PRUNE_EVERY == 0:
                tx.execute(delete(AuditRow).where(AuditRow.at < db_now() - literal(kept_seconds)))
            return entry_id

        return self._database.run(work)

    def end(self, entry_id: int, outcome: str, target: Mapping[str, str]) -> None:
        """Record how an act went, and what more is known of its target."""
        ending = (
            update(AuditRow)
            .where(AuditRow.id == entry_id)
            .values(outcome=outcome, target=json.dumps(dict(target)))
        )
        self._database.run(lambda tx: tx.execute(ending).rowcount)

    def entries(self, *, limit: int, before: int | None = None) -> Sequence[AuditEntry]:
        """Return the newest entries, those with an id below *before* if given."""
        newest = select(AuditRow.__table__).order_by(AuditRow.id.desc()).limit(limit)
        if before is not None:
            newest = newest.where(AuditRow.id < before)
        with self._database.glance() as tx:
            return [_entry(row) for row in tx.execute(newest).all()]


def _entry(row: AnyRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=row.at,
        act=Act(
            who=row.who,
            key_id=row.key_id,
            address=row.address,
            what=row.what,
            target=json.loads(row.target),
        ),
        outcome=row.outcome,
    )
