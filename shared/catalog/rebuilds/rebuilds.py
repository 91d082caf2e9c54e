"""Rebuilds of collections as users ask for them."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, insert, or_, select, text, update

from shared.catalog.collections.collections import SPACE_COLUMNS, insert_space, live_space, space_of
from shared.catalog.collections.naming import IS_THERE, find
from shared.catalog.engine import migrating
from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.engine.identity import new_id
from shared.catalog.events.telling import finished, tell
from shared.catalog.queue.giving_back import end, give_back
from shared.catalog.rebuilds.claims import IS_LIVE, RUNNING
from shared.catalog.rebuilds.jobs import REBUILD_SOURCE, progress_of
from shared.catalog.rebuilds.standings import read_progress
from shared.catalog.tables import (
    CLAIMED,
    CollectionRow,
    DocumentRow,
    JobRow,
    PartRow,
    RebuildRow,
    RenditionRow,
    RevisionRow,
    SpaceRow,
)
from shared.domain import (
    Progress,
    Rebuild,
    RebuildFailure,
    RebuildState,
    Space,
    SpaceDraft,
)
from shared.errors import RebuildNotFound, RebuildUnderWay

_OLDEST_PROGRAM = 11
"""Schema of the oldest program that tells the chunks of two spaces of a document apart."""


class SqlRebuilds:
    """The port `Rebuilds` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, name: str, draft: SpaceDraft, *, force: bool) -> Rebuild | None:
        """Begin to build a collection anew as *draft* says; None if that is what it is.

        One that is under way and builds just that goes on: with *force* it leaves out what
        failed, else it tries that once more.

        Raises:
            CollectionNotFound: there is none.
            RebuildUnderWay: the collection is being rebuilt as something else.
        """

        def work(tx: Connection) -> str | None:
            collection_id = find(tx, name)
            tx.execute(_HOLD_COLLECTION, {"collection": collection_id})
            running = tx.execute(_RUNNING, {"collection": collection_id}).one_or_none()
            if running is None:
                return _begin(tx, collection_id, draft, force=force)
            if not _is_as(space_of(running), draft):
                raise RebuildUnderWay(
                    f"{name!r} is being rebuilt already, with {running.encoder}. Wait for it, or "
                    "cancel it first."
                )
            _try_again(tx, running, force=force)
            return str(running.id)

        rebuild_id = self._database.run(work)
        return self._get(rebuild_id) if rebuild_id else None

    def last(self, collection_id: int) -> Rebuild | None:
        """Return the rebuild of a collection that began last; None if there never was one."""
        newest = (
            _REBUILD.where(RebuildRow.collection_id == collection_id)
            .order_by(RebuildRow.started_at.desc(), RebuildRow.id.desc())
            .limit(1)
        )
        with self._database.read() as tx:
            row = tx.execute(newest).one_or_none()
            return _rebuild(tx, row) if row else None

    def cancel(self, name: str) -> Rebuild:
        """End the rebuild that is under way; return it.

        Raises:
            CollectionNotFound: there is none.
            RebuildNotFound: none is under way.
        """

        def work(tx: Connection) -> str:
            running = tx.execute(_RUNNING, {"collection": find(tx, name)}).one_or_none()
            if running is None:
                raise RebuildNotFound(f"No rebuild of {name!r} is under way.")
            end_rebuild(tx, running.id)
            return str(running.id)

        return self._get(self._database.run(work))

    def failures(self, rebuild: Rebuild, *, limit: int) -> Sequence[RebuildFailure]:
        """Return documents of the head that could not be brought into the new space, by age."""
        wanted = {"space": rebuild.space.id, "most": limit}
        with self._database.read() as tx:
            rows = tx.execute(_FAILURES, wanted).all()
        return [RebuildFailure(document=row.external_id, error=row.error) for row in rows]

    def remains(self, *, older_than_seconds: float) -> Sequence[int]:
        """Return the collections of which something is left of a rebuild that ended so long ago."""
        with self._database.glance() as tx:
            return tx.scalars(_REMAINS, {"age": older_than_seconds}).all()

    def _get(self, rebuild_id: str) -> Rebuild:
        with self._database.read() as tx:
            return _rebuild(tx, tx.execute(_REBUILD.where(RebuildRow.id == rebuild_id)).one())


def end_rebuild(tx: Connection, rebuild_id: str) -> bool:
    """Cancel a rebuild that is under way, and take its documents from the workers; whether it was.

    What it made is garbage from now on.
    """
    row = tx.execute(_HOLD, {"rebuild": rebuild_id}).one_or_none()
    if row is None:
        return False
    progress = read_progress(tx, row.collection_id, row.space_id)
    held = tx.scalars(_CLAIMS, {"space": row.space_id}).all()
    for claim_id in sorted({one for one in held if one is not None}):
        end(tx, claim_id, "revoked", reason="The rebuild was cancelled.")
        give_back(tx, claim_id)
    counts = {
        "documents": progress.documents,
        "done": progress.done,
        "failed": progress.failed,
    }
    tx.execute(
        update(RebuildRow)
        .where(RebuildRow.id == rebuild_id)
        .values(state="cancelled", ended_at=db_now(), held_until=None, trouble=None, **counts)
    )
    tx.execute(
        update(JobRow)
        .where(JobRow.id == rebuild_id)
        .values(cancelled_at=func.coalesce(JobRow.cancelled_at, db_now()))
    )
    tell(tx, finished(tx, [rebuild_id]))
    return True


def _begin(tx: Connection, collection_id: int, draft: SpaceDraft, *, force: bool) -> str | None:
    if _is_as(live_space(tx, collection_id), draft):
        return None
    migrating.require(tx, _OLDEST_PROGRAM)
    now, rebuild_id = read_clock(tx), new_id()
    space_id = insert_space(tx, collection_id, draft, now, live=False)
    tx.execute(
        insert(JobRow).values(
            id=rebuild_id,
            collection_id=collection_id,
            source=REBUILD_SOURCE,
            producer="",
            accepted_at=now,
        )
    )
    tx.execute(
        insert(RebuildRow).values(
            id=rebuild_id,
            collection_id=collection_id,
            space_id=space_id,
            state="running",
            forced=force,
            place=0,
            started_at=now,
        )
    )
    return rebuild_id


def _try_again(tx: Connection, running: AnyRow, *, force: bool) -> None:
    """Leave out what failed, or put it into the queue once more."""
    if tx.execute(_HOLD, {"rebuild": running.id}).one_or_none() is None:
        return  # it ended just now
    values: dict[str, object] = {"trouble": None}
    if force:
        values["forced"] = True
    else:
        values |= {"forced": False}
        tx.execute(_RETRY, {"space": running.space_id})
    tx.execute(update(RebuildRow).where(RebuildRow.id == running.id).values(**values))


def _is_as(space: Space, draft: SpaceDraft) -> bool:
    """Whether *space* holds what *draft* would make."""
    return (space.fingerprint, space.metric, space.chunking) == (
        draft.encoder.fingerprint,
        draft.metric,
        draft.chunking,
    )


def _rebuild(tx: Connection, row: AnyRow) -> Rebuild:
    progress = progress_of(tx, row)
    return Rebuild(
        id=row.id,
        collection_id=row.collection_id,
        space=space_of(row),
        state=_state(row, progress),
        progress=progress,
        started_at=row.started_at,
        ended_at=row.ended_at,
        version=row.version,
        forced=row.forced,
        trouble=row.trouble,
    )


def _state(row: AnyRow, progress: Progress) -> RebuildState:
    if row.state != "running":
        return RebuildState(row.state)
    if row.held:
        return RebuildState.SWAPPING
    blocked = progress.failed and not row.forced and not (progress.waiting or progress.under_way)
    return RebuildState.BLOCKED if blocked or row.trouble else RebuildState.BUILDING


_HOLD_COLLECTION = (
    select(CollectionRow.id).where(CollectionRow.id == bindparam("collection")).with_for_update()
)
_REBUILD = select(
    RebuildRow.id,
    RebuildRow.collection_id,
    RebuildRow.state,
    RebuildRow.forced,
    RebuildRow.trouble,
    RebuildRow.started_at,
    RebuildRow.ended_at,
    RebuildRow.version,
    RebuildRow.documents,
    RebuildRow.done,
    RebuildRow.failed,
    (func.coalesce(RebuildRow.held_until, 0.0) > db_now()).label("held"),
    *SPACE_COLUMNS,
).join(SpaceRow, SpaceRow.id == RebuildRow.space_id)
_RUNNING = _REBUILD.where(RebuildRow.collection_id == bindparam("collection"), RUNNING)
_HOLD = (
    select(RebuildRow.collection_id, RebuildRow.space_id)
    .where(RebuildRow.id == bindparam("rebuild"), RUNNING)
    .with_for_update()
)
_CLAIMS = select(RenditionRow.claim_id).where(
    RenditionRow.space_id == bindparam("space"), RenditionRow.state == CLAIMED
)
_RETRY = (
    update(RenditionRow)
    .where(RenditionRow.space_id == bindparam("space"), text("renditions.state = 'failed'"))
    .values(
        state="pending", error=None, claim_id=None, solo_crashes=0, suspect_of=None, suspects=None
    )
)
_REMAINS = (
    select(RebuildRow.collection_id)
    .join(CollectionRow, CollectionRow.id == RebuildRow.collection_id)
    .where(
        RebuildRow.state != "running",
        RebuildRow.ended_at < db_now() - bindparam("age"),
        IS_THERE,
        or_(
            select(RenditionRow.revision_id)
            .where(RenditionRow.space_id == RebuildRow.space_id)
            .exists(),
            select(PartRow.id).where(PartRow.space_id == RebuildRow.space_id).exists(),
        ),
    )
    .distinct()
    .order_by(RebuildRow.collection_id)
)
_FAILURES = (
    select(DocumentRow.external_id, RenditionRow.error)
    .select_from(RenditionRow)
    .join(RevisionRow, RevisionRow.id == RenditionRow.revision_id)
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .where(
        RenditionRow.space_id == bindparam("space"), text("renditions.state = 'failed'"), IS_LIVE
    )
    .order_by(RenditionRow.revision_id)
    .limit(bindparam("most"))
)
