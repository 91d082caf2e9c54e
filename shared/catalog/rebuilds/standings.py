"""How far rebuilds are."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, literal, or_, select, text

from shared.catalog.collections.naming import IS_THERE
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.rebuilds.claims import IS_LIVE, RUNNING
from shared.catalog.tables import (
    CLAIMED,
    PENDING,
    CollectionRow,
    LivenessRow,
    RebuildRow,
    RenditionRow,
    RevisionRow,
)
from shared.domain import Lane, Progress, RevisionKind
from shared.errors import Fenced


def hold_rebuild(tx: Connection, rebuild_id: str) -> AnyRow:
    """Keep a rebuild as it is until this transaction ends; return its row.

    Raises:
        Fenced: it has ended.
    """
    row = tx.execute(_HOLD, {"rebuild": rebuild_id}).one_or_none()
    if row is None:
        raise Fenced("The rebuild has ended.")
    return row


def read_progress(tx: Connection, collection_id: int, space_id: int) -> Progress:
    """Return how many of the head's documents are how far in a space. Looks at all of them."""
    wanted = {"collection": collection_id, "space": space_id}
    rows = {row.state: row for row in tx.execute(_PROGRESS, wanted)}
    open_ones = [rows[state] for state in (None, "pending", "claimed") if state in rows]
    return Progress(
        done=rows["done"].documents if "done" in rows else 0,
        failed=rows["failed"].documents if "failed" in rows else 0,
        under_way=rows["claimed"].documents if "claimed" in rows else 0,
        waiting=sum(row.documents for row in open_ones if row.state != "claimed"),
        characters=sum(int(row.characters) for row in open_ones),
    )


def read_rebuild_lane(tx: Connection) -> Sequence[AnyRow]:
    """Return what no worker holds yet of all rebuilds under way, as one row of their lane or none.

    Looks at all live documents of their collections; at none where nothing is being rebuilt.
    """
    if not tx.scalar(_ANY_RUNNING):
        return []
    rows = tx.execute(_LANE).all()
    return [row for row in rows if row.documents]


def count_unfinished(tx: Connection, space_id: int) -> tuple[int, int]:
    """Return how many live revisions are in the queue or under way, and how many failed."""
    wanted = {"space": space_id}
    waiting = tx.execute(_COUNT_PENDING, wanted).scalar_one()
    claimed = tx.execute(_COUNT_CLAIMED, wanted).scalar_one()
    return waiting + claimed, tx.execute(_COUNT_FAILED, wanted).scalar_one()


_HOLD = (
    select(RebuildRow.collection_id, RebuildRow.space_id, RebuildRow.forced)
    .where(RebuildRow.id == bindparam("rebuild"), RUNNING)
    .with_for_update()
)
OPEN = (
    LivenessRow.collection_id == bindparam("collection"),
    LivenessRow.to_version.is_(None),
    LivenessRow.kind == RevisionKind.PUT.value,
)
"""Of an interval: the head of the collection bound as such has a document by it."""
_PROGRESS = (
    select(
        RenditionRow.state,
        func.count().label("documents"),
        func.sum(RevisionRow.characters).label("characters"),
    )
    .select_from(LivenessRow)
    .join(RevisionRow, RevisionRow.id == LivenessRow.revision_id)
    .outerjoin(
        RenditionRow,
        (RenditionRow.revision_id == LivenessRow.revision_id)
        & (RenditionRow.space_id == bindparam("space")),
    )
    .where(*OPEN)
    .group_by(RenditionRow.state)
)
_ANY_RUNNING = select(select(RebuildRow.id).where(RUNNING).exists())
_LANE = (
    select(
        literal(Lane.REBUILD.value).label("lane"),
        func.count().label("documents"),
        func.sum(RevisionRow.characters).label("characters"),
        (db_now() - func.min(RebuildRow.started_at)).label("age"),
    )
    .select_from(RebuildRow)
    .join(CollectionRow, CollectionRow.id == RebuildRow.collection_id)
    .join(
        LivenessRow,
        (LivenessRow.collection_id == RebuildRow.collection_id)
        & LivenessRow.to_version.is_(None)
        & (LivenessRow.kind == RevisionKind.PUT.value),
    )
    .join(RevisionRow, RevisionRow.id == LivenessRow.revision_id)
    .outerjoin(
        RenditionRow,
        (RenditionRow.revision_id == LivenessRow.revision_id)
        & (RenditionRow.space_id == RebuildRow.space_id),
    )
    .where(RUNNING, IS_THERE, or_(RenditionRow.state.is_(None), RenditionRow.state == PENDING))
)
_mine = select(func.count()).where(RenditionRow.space_id == bindparam("space"), IS_LIVE)
_COUNT_PENDING = _mine.where(RenditionRow.state == PENDING)
_COUNT_CLAIMED = _mine.where(RenditionRow.state == CLAIMED)
_COUNT_FAILED = _mine.where(text("renditions.state = 'failed'"))
