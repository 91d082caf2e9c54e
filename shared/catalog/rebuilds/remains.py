"""What rebuilds leave in the catalog, removed a little at a time."""

from sqlalchemy import BigInteger, BindParameter, Connection, bindparam, delete, select, update

from shared.catalog.engine.clock import db_now
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.rebuilds.claims import RUNNING
from shared.catalog.tables import (
    KEPT_STATES,
    ChunkRow,
    PartRow,
    RebuildRow,
    RenditionRow,
    SpaceRow,
    VersionRow,
)


def clear(tx: Connection, collection_id: int, limit: int) -> bool:
    """Remove at most *limit* rows of ended rebuilds, or of the chunks of a space nobody can see.

    Returns:
        whether there may be more.
    """
    ended = tx.scalars(_ENDED, {"collection": collection_id}).all()
    if ended:
        tx.execute(delete(PartRow).where(PartRow.space_id.in_(ended)))
        gone = select(RenditionRow.revision_id, RenditionRow.space_id)
        left = tx.execute(gone.where(RenditionRow.space_id.in_(ended)).limit(limit)).all()
        for row in left:
            tx.execute(_DROP_RENDITION, {"revision": row.revision_id, "space": row.space_id})
        if left:
            return True
    space = tx.execute(_UNSEEN, {"collection": collection_id}).first()
    if space is None:
        return False
    _drop_chunks(tx, space, limit)
    return True


def begin_anew(tx: Connection) -> None:
    """Let every rebuild under way begin from nothing: a backup has no segments of theirs."""
    building = select(RebuildRow.space_id).where(RUNNING)
    for table in (RenditionRow, PartRow, ChunkRow):
        tx.execute(delete(table).where(table.space_id.in_(building)))
    tx.execute(update(RebuildRow).where(RUNNING).values(place=0, held_until=None, trouble=None))


def _drop_chunks(tx: Connection, space: AnyRow, limit: int) -> None:
    """Go on looking for the chunks of a space from where the last step stopped."""
    wanted = {"after": space.dropped_to or 0, "most": limit}
    rows = tx.execute(_CHUNKS, wanted).all()
    mine = [row.vector_id for row in rows if row.space_id == space.id]
    for page in pages(mine):
        tx.execute(delete(ChunkRow).where(ChunkRow.vector_id.in_(page)))
    here = {"dropped_to": rows[-1].vector_id} if rows else {}
    end = {} if len(rows) == limit else {"dropped_at": db_now()}
    tx.execute(update(SpaceRow).where(SpaceRow.id == space.id).values(**here, **end))


_after: BindParameter[int] = bindparam("after", type_=BigInteger())
_ENDED = (
    select(RebuildRow.space_id)
    .join(SpaceRow, SpaceRow.id == RebuildRow.space_id)
    .where(RebuildRow.collection_id == bindparam("collection"), RebuildRow.state != "running")
)
_DROP_RENDITION = delete(RenditionRow).where(
    RenditionRow.revision_id == bindparam("revision"), RenditionRow.space_id == bindparam("space")
)
_is_built = (
    select(RebuildRow.id)
    .where(RebuildRow.space_id == SpaceRow.id, RUNNING)
    .correlate(SpaceRow)
    .exists()
)
_is_kept = (
    select(VersionRow.version)
    .where(
        VersionRow.collection_id == SpaceRow.collection_id,
        VersionRow.version > 0,
        VersionRow.state.in_(KEPT_STATES),
        VersionRow.space_id == SpaceRow.id,
    )
    .correlate(SpaceRow)
    .exists()
)
_UNSEEN = (
    select(SpaceRow.id, SpaceRow.dropped_to)
    .where(
        SpaceRow.collection_id == bindparam("collection"),
        ~SpaceRow.live,
        SpaceRow.dropped_at.is_(None),
        ~_is_built,
        ~_is_kept,
    )
    .order_by(SpaceRow.id)
    .limit(1)
)
_CHUNKS = (
    select(ChunkRow.vector_id, ChunkRow.space_id)
    .where(ChunkRow.vector_id > _after)
    .order_by(ChunkRow.vector_id)
    .limit(bindparam("most"))
)
