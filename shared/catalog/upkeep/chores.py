"""Long upkeep under a lease, and what it found."""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, case, delete, func, insert, literal, select, update

from shared.catalog.collections.collections import move_counter
from shared.catalog.collections.naming import DELETED, find
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import ACTIVE, ChoreRow, DamageRow, RecallRow, VersionRow
from shared.domain import Chore, ChoreKind, ChoreState, Damage, LiveRecall, VersionKind
from shared.errors import Fenced

_SAMPLES = 1000  # of a collection
_PRUNE_EVERY = 100  # samples
_ENDED = 200
"""Ended chores of one kind and collection that are remembered."""
_RELAYING = (VersionKind.MERGE.value, VersionKind.RELAY.value, VersionKind.REBUILD.value)


class SqlChores:
    """The port `Chores` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        collection_id: int,
        kind: ChoreKind,
        *,
        holder: str,
        lease_seconds: float,
        detail: str = "",
    ) -> Chore | None:
        """Begin a chore; None while another process does that kind in that collection.

        A unique index decides. A chore whose lease ran out becomes `lost` in the same
        transaction.
        """

        def work(tx: Connection) -> Chore | None:
            _lose(tx, collection_id, kind)
            begun = tx.execute(
                insert_new(tx.dialect.name, ChoreRow)
                .values(
                    collection_id=collection_id,
                    kind=kind.value,
                    state="active",
                    holder=holder,
                    started_at=db_now(),
                    lease_until=db_now() + literal(lease_seconds),
                    done=0,
                    total=0,
                    detail=detail,
                )
                .on_conflict_do_nothing()
                .returning(*_COLUMNS)
            ).one_or_none()
            if begun is None:
                return None
            _prune_ended(tx, collection_id, kind)
            return _chore(begun)

        return self._database.run(work)

    def renew(self, chore_id: int, *, lease_seconds: float, done: int, total: int) -> None:
        """Extend the lease and say how far it is.

        Raises:
            Fenced: the lease ran out and somebody else began it.
        """
        extend = (
            update(ChoreRow)
            .where(ChoreRow.id == chore_id, ChoreRow.state == ACTIVE)
            .values(lease_until=db_now() + literal(lease_seconds), done=done, total=total)
        )
        if not self._database.run(lambda tx: tx.execute(extend).rowcount):
            raise Fenced(f"Chore {chore_id} was taken away.")

    def end(self, chore_id: int, state: ChoreState, detail: str) -> None:
        """End an active chore; nothing happens if it is not active."""
        ending = (
            update(ChoreRow)
            .where(ChoreRow.id == chore_id, ChoreRow.state == ACTIVE)
            .values(state=state.value, detail=detail, ended_at=db_now())
        )
        self._database.run(lambda tx: tx.execute(ending).rowcount)

    def last(self, collection_id: int, kind: ChoreKind) -> Chore | None:
        """Return the newest chore of a kind that ended `done`; None if there never was one."""
        newest = (
            select(*_COLUMNS)
            .where(
                ChoreRow.collection_id == collection_id,
                ChoreRow.kind == kind.value,
                ChoreRow.state == ChoreState.DONE.value,
            )
            .order_by(ChoreRow.id.desc())
            .limit(1)
        )
        with self._database.glance() as tx:
            row = tx.execute(newest).one_or_none()
        return _chore(row) if row else None

    def chores(self, *, collection: str | None = None, limit: int) -> Sequence[Chore]:
        """Return the newest chores, active ones first; `CollectionNotFound` if it is not there."""
        active_first = case((ChoreRow.state == ACTIVE, 0), else_=1)
        newest = select(*_COLUMNS).order_by(active_first, ChoreRow.id.desc()).limit(limit)
        with self._database.read() as tx:
            if collection is not None:
                newest = newest.where(ChoreRow.collection_id == find(tx, collection))
            else:
                newest = newest.where(ChoreRow.collection_id.not_in(DELETED))
            rows = tx.execute(newest).all()
        return [_chore(row) for row in rows]

    def report(self, damages: Sequence[Damage]) -> None:
        """Quarantine damaged files; one known already keeps the time it was found."""

        def work(tx: Connection) -> None:
            new = insert_new(tx.dialect.name, DamageRow).values(found_at=db_now())
            again = {"segment_id": new.excluded.segment_id, "reason": new.excluded.reason}
            quarantine = new.on_conflict_do_update(
                index_elements=["collection_id", "key"], set_=again
            )
            rows = tx.execute(select(DamageRow.collection_id, DamageRow.key))
            known = {(row.collection_id, row.key) for row in rows}
            # Always in one order, so that two reports cannot deadlock.
            for one in sorted(damages, key=lambda damage: (damage.collection_id, damage.key)):
                tx.execute(
                    quarantine,
                    {
                        "collection_id": one.collection_id,
                        "key": one.key,
                        "segment_id": one.segment_id,
                        "reason": one.reason,
                    },
                )
            if {(one.collection_id, one.key) for one in damages} - known:
                move_counter(tx)  # readers let go of what is damaged

        self._database.run(work)

    def repaired(self, collection_id: int, keys: Sequence[str]) -> None:
        """Take files out of quarantine."""

        def work(tx: Connection) -> None:
            for page in pages(keys):
                tx.execute(
                    delete(DamageRow).where(
                        DamageRow.collection_id == collection_id, DamageRow.key.in_(page)
                    )
                )
            move_counter(tx)  # readers look again

        self._database.run(work)

    def damages(self, collection_id: int | None = None) -> Sequence[Damage]:
        """Return what is in quarantine, oldest first."""
        wanted = select(DamageRow.__table__).order_by(DamageRow.found_at, DamageRow.key)
        if collection_id is not None:
            wanted = wanted.where(DamageRow.collection_id == collection_id)
        else:
            wanted = wanted.where(DamageRow.collection_id.not_in(DELETED))
        with self._database.glance() as tx:
            rows = tx.execute(wanted).all()
        return [_damage(row) for row in rows]

    def sample(self, collection_id: int, *, version: int, k: int, recall: float) -> None:
        """Record how one live query compared with the exact answer; the newest 1,000 stay."""

        def work(tx: Connection) -> None:
            sample_id = tx.scalar(
                insert(RecallRow)
                .values(
                    collection_id=collection_id,
                    version=version,
                    k=k,
                    recall=recall,
                    sampled_at=db_now(),
                )
                .returning(RecallRow.id)
            )
            if sample_id is not None and sample_id % _PRUNE_EVERY == 0:
                tx.execute(
                    delete(RecallRow).where(
                        RecallRow.collection_id == collection_id,
                        RecallRow.id.not_in(_newest_samples(collection_id)),
                    )
                )

        self._database.run(work)

    def recall(self, collection_id: int) -> LiveRecall | None:
        """Return how the samples since the last MERGE, RELAY or REBUILD went; None without any."""
        tidied = select(func.max(VersionRow.version)).where(
            VersionRow.collection_id == collection_id, VersionRow.kind.in_(_RELAYING)
        )
        with self._database.glance() as tx:
            row = tx.execute(
                select(
                    func.count().label("queries"),
                    func.avg(RecallRow.recall).label("recall"),
                    func.min(RecallRow.recall).label("worst"),
                ).where(
                    RecallRow.id.in_(_newest_samples(collection_id)),
                    RecallRow.version >= func.coalesce(tidied.scalar_subquery(), 0),
                )
            ).one()
        if not row.queries:
            return None
        return LiveRecall(queries=row.queries, recall=row.recall, worst=row.worst)


_COLUMNS = (
    ChoreRow.id,
    ChoreRow.collection_id,
    ChoreRow.kind,
    ChoreRow.state,
    ChoreRow.holder,
    ChoreRow.started_at,
    ChoreRow.done,
    ChoreRow.total,
    ChoreRow.detail,
    ChoreRow.ended_at,
)


def _lose(tx: Connection, collection_id: int, kind: ChoreKind) -> None:
    tx.execute(
        update(ChoreRow)
        .where(
            ChoreRow.collection_id == collection_id,
            ChoreRow.kind == kind.value,
            ChoreRow.state == ACTIVE,
            ChoreRow.lease_until < db_now(),
        )
        .values(state=ChoreState.LOST.value, ended_at=db_now())
    )


def _prune_ended(tx: Connection, collection_id: int, kind: ChoreKind) -> None:
    """Drop old ended chores, but never the newest that was done."""
    alike = (ChoreRow.collection_id == collection_id, ChoreRow.kind == kind.value)
    last_done = select(func.max(ChoreRow.id)).where(*alike, ChoreRow.state == ChoreState.DONE.value)
    oldest_kept = (
        select(ChoreRow.id).where(*alike).order_by(ChoreRow.id.desc()).offset(_ENDED).limit(1)
    )
    tx.execute(
        delete(ChoreRow).where(
            *alike,
            ChoreRow.id < oldest_kept.scalar_subquery(),
            ChoreRow.id != func.coalesce(last_done.scalar_subquery(), 0),
        )
    )


def _newest_samples(collection_id: int) -> Select[int]:
    return (
        select(RecallRow.id)
        .where(RecallRow.collection_id == collection_id)
        .order_by(RecallRow.id.desc())
        .limit(_SAMPLES)
    )


def _chore(row: AnyRow) -> Chore:
    return Chore(
        id=row.id,
        collection_id=row.collection_id,
        kind=ChoreKind(row.kind),
        state=ChoreState(row.state),
        holder=row.holder,
        started_at=row.started_at,
        done=row.done,
        total=row.total,
        detail=row.detail,
        ended_at=row.ended_at,
    )


def _damage(row: AnyRow) -> Damage:
    return Damage(
        collection_id=row.collection_id,
        key=row.key,
        segment_id=row.segment_id,
        reason=row.reason,
        found_at=row.found_at,
    )
