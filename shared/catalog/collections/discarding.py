"""Collections that are deleted: hidden at once, removed in steps once nobody can want them back."""

from collections.abc import Sequence

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    literal,
    select,
    update,
)

from shared.catalog.collections.collections import SqlCollections, move_counter
from shared.catalog.collections.naming import check_free, check_name, find, given_up, hold_names
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.queue.giving_back import end, give_back
from shared.catalog.tables import (
    ACTIVE,
    CLAIMED,
    AliasRow,
    AttemptRow,
    ChoreRow,
    ChunkRow,
    CollectionRow,
    DamageRow,
    DeletionRow,
    DeliveryRow,
    DocumentRow,
    EventRow,
    FieldRow,
    FlowRow,
    HeadRow,
    JobRow,
    KeyRow,
    LeaseRow,
    LivenessRow,
    MapRow,
    OriginRow,
    PartRow,
    RebuildRow,
    RecallRow,
    RenditionRow,
    RevisionRow,
    SegmentRow,
    SpaceRow,
    TagRow,
    UploadRow,
    VersionRow,
    WebhookRow,
)
from shared.domain import Collection, DeletedCollection, UploadState
from shared.errors import CollectionInUse, CollectionNotFound


class SqlDiscards:
    """The port `Discards` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def discard(self, name: str) -> DeletedCollection:
        """Delete a collection; its name is free at once.

        Raises:
            CollectionNotFound: there is none.
            CollectionInUse: an alias leads to it.
        """
        return self._database.run(lambda tx: _discard(tx, name))

    def discarded(self) -> Sequence[DeletedCollection]:
        """Return the collections that can be recovered, those deleted last first."""
        with self._database.read() as tx:
            return [_deleted(row) for row in tx.execute(_DISCARDED)]

    def recover(self, name: str, *, new: str | None, collection_id: int | None) -> Collection:
        """Undo a delete: of the collection of that name that was deleted last, or the one meant.

        Raises:
            InvalidRequest: *new* is no name.
            CollectionNotFound: none of this name can be recovered.
            CollectionExists: the name is taken.
        """
        wanted = _DISCARDED.where(CollectionRow.deleted_name == name).limit(1)
        if collection_id is not None:
            wanted = wanted.where(CollectionRow.id == collection_id)
        if new is not None:
            check_name(new)

        def work(tx: Connection) -> int:
            hold_names(tx)
            found = tx.execute(wanted.with_for_update(of=CollectionRow)).one_or_none()
            if found is None:
                raise CollectionNotFound(f"No deleted collection {name!r} can be recovered.")
            check_free(tx, new or name)
            back = {"name": new or name, "deleted_at": None, "deleted_name": None}
            tx.execute(update(CollectionRow).where(CollectionRow.id == found.id).values(**back))
            move_counter(tx)
            return int(found.id)

        return SqlCollections(self._database).by_id(self._database.run(work))

    def doom(self, *, older_than_seconds: float) -> Sequence[int]:
        """End the time in which collections can be recovered that were deleted so long ago.

        Return the ids of all for which it has ended.
        """
        overdue = (
            CollectionRow.deleted_at <= db_now() - literal(older_than_seconds),
            CollectionRow.deleted_name.is_not(None),
        )
        with self._database.glance() as tx:
            any_overdue = tx.scalar(select(CollectionRow.id).where(*overdue).limit(1))
        if any_overdue is not None:
            end_it = update(CollectionRow).where(*overdue).values(deleted_name=None)
            self._database.run(lambda tx: tx.execute(end_it))
        with self._database.glance() as tx:
            return tx.scalars(select(CollectionRow.id).where(*_DOOMED)).all()

    def strip(self, collection_id: int, *, limit: int) -> bool:
        """Remove some of what a doomed collection holds; whether there may be more."""
        return self._database.run(lambda tx: _strip(tx, collection_id, limit))

    def forget(self, collection_id: int) -> None:
        """Remove what is left of a doomed collection, itself included, once its files are gone."""
        self._database.run(lambda tx: _forget(tx, collection_id))


def _discard(tx: Connection, name: str) -> DeletedCollection:
    hold_names(tx)
    collection_id = find(tx, name)
    leading = tx.scalar(select(AliasRow.name).where(AliasRow.collection_id == collection_id))
    if leading is not None:
        raise CollectionInUse(
            f"{name!r} is not deleted: the alias {leading!r} leads to it. Let it lead elsewhere, "
            "or remove it, first."
        )
    # Before its row is locked, which publishers refer to while they hold what this waits for.
    # Who takes a claim of it meanwhile publishes what nobody sees unless it is recovered.
    _take_away(tx, collection_id)
    mine = CollectionRow.id == collection_id
    tx.execute(
        update(CollectionRow)
        .where(mine)
        .values(deleted_name=CollectionRow.name, deleted_at=db_now(), name=given_up(collection_id))
    )
    deleted = _deleted(tx.execute(_DISCARDED.where(mine)).one())
    move_counter(tx)
    return deleted


def _take_away(tx: Connection, collection_id: int) -> None:
    """Take the collection's documents and files from those who work on them; its index, too."""
    tx.execute(_TAKE_FILES, {"collection": collection_id})
    revised = select(RevisionRow.claim_id).where(
        RevisionRow.collection_id == collection_id, RevisionRow.state == CLAIMED
    )
    rebuilt = (
        select(RenditionRow.claim_id)
        .join(SpaceRow, SpaceRow.id == RenditionRow.space_id)
        .where(SpaceRow.collection_id == collection_id, RenditionRow.state == CLAIMED)
    )
    held = revised.union(rebuilt)
    for claim_id in sorted({one for one in tx.scalars(held) if one is not None}):
        end(tx, claim_id, "revoked", reason="A collection in it was deleted.")
        give_back(tx, claim_id)
    tx.execute(
        update(AttemptRow)
        .where(AttemptRow.collection_id == collection_id, AttemptRow.state == ACTIVE)
        .values(state="revoked", ended_at=db_now())
    )


def _strip(tx: Connection, collection_id: int, limit: int) -> bool:
    if not _is_doomed(tx, collection_id):
        return False
    _take_away(tx, collection_id)
    of_it = {"collection": collection_id, "most": limit}
    documents = tx.scalars(_DOCUMENTS, of_it).all()
    if documents:
        for statement in _OF_DOCUMENTS:
            tx.execute(statement, {"ids": documents})
        return True
    jobs = tx.scalars(_JOBS, of_it).all()
    for statement in _OF_JOBS:
        tx.execute(statement, {"ids": jobs})
    return bool(jobs)


def _forget(tx: Connection, collection_id: int) -> None:
    if not _is_doomed(tx, collection_id):
        return
    tx.execute(_DROP_DELIVERIES, {"collection": collection_id})
    tx.execute(_DROP_PARTS, {"collection": collection_id})
    for table in _OF_COLLECTION:
        tx.execute(delete(table).where(table.collection_id == collection_id))
    tx.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))


def _is_doomed(tx: Connection, collection_id: int) -> bool:
    found = select(CollectionRow.id).where(CollectionRow.id == collection_id, *_DOOMED)
    return tx.scalar(found.with_for_update()) is not None


_DOOMED: Sequence[ColumnElement[bool]] = (
    CollectionRow.deleted_at.is_not(None),
    CollectionRow.deleted_name.is_(None),
)
_DISCARDED = (
    select(
        CollectionRow.id,
        CollectionRow.deleted_name,
        CollectionRow.deleted_at,
        VersionRow.documents,
        VersionRow.bytes,
    )
    .join(HeadRow, HeadRow.collection_id == CollectionRow.id)
    .join(
        VersionRow,
        (VersionRow.collection_id == HeadRow.collection_id)
        & (VersionRow.version == HeadRow.version),
    )
    .where(CollectionRow.deleted_at.is_not(None), CollectionRow.deleted_name.is_not(None))
    .order_by(CollectionRow.deleted_at.desc(), CollectionRow.id.desc())
)
_TAKE_FILES = (
    update(UploadRow)
    .where(
        UploadRow.collection_id == bindparam("collection"),
        UploadRow.state == UploadState.CLAIMED.value,
    )
    .values(state=UploadState.PENDING.value, epoch=UploadRow.epoch + 1)
)
_most: BindParameter[int] = bindparam("most")
_DOCUMENTS = (
    select(DocumentRow.id).where(DocumentRow.collection_id == bindparam("collection")).limit(_most)
)
_JOBS = select(JobRow.id).where(JobRow.collection_id == bindparam("collection")).limit(_most)
_ids: BindParameter[int | str] = bindparam("ids", expanding=True)
_revisions = select(RevisionRow.id).where(RevisionRow.document_id.in_(_ids))
_OF_DOCUMENTS = (
    delete(ChunkRow).where(ChunkRow.revision_id.in_(_revisions)),
    delete(FieldRow).where(FieldRow.revision_id.in_(_revisions)),
    delete(RenditionRow).where(RenditionRow.revision_id.in_(_revisions)),
    delete(LivenessRow).where(LivenessRow.document_id.in_(_ids)),
    delete(OriginRow).where(OriginRow.document_id.in_(_ids)),
    delete(RevisionRow).where(RevisionRow.document_id.in_(_ids)),
    delete(DocumentRow).where(DocumentRow.id.in_(_ids)),
)
_OF_JOBS = (
    delete(KeyRow).where(KeyRow.job_id.in_(_ids)),
    delete(DeletionRow).where(DeletionRow.job_id.in_(_ids)),
    delete(UploadRow).where(UploadRow.job_id.in_(_ids)),
    delete(JobRow).where(JobRow.id.in_(_ids)),
)
_DROP_PARTS = delete(PartRow).where(
    PartRow.space_id.in_(
        select(SpaceRow.id).where(SpaceRow.collection_id == bindparam("collection"))
    )
)
_DROP_DELIVERIES = delete(DeliveryRow).where(
    DeliveryRow.webhook_id.in_(
        select(WebhookRow.id).where(WebhookRow.collection_id == bindparam("collection"))
    )
)
# Each before those that it refers to.
_OF_COLLECTION = (
    UploadRow,
    WebhookRow,
    EventRow,
    FlowRow,
    TagRow,
    LeaseRow,
    MapRow,
    HeadRow,
    SegmentRow,
    VersionRow,
    AttemptRow,
    ChoreRow,
    DamageRow,
    RecallRow,
    RebuildRow,
    SpaceRow,
)


def _deleted(row: AnyRow) -> DeletedCollection:
    return DeletedCollection(
        id=row.id,
        name=row.deleted_name,
        deleted_at=row.deleted_at,
        documents=row.documents,
        bytes=row.bytes,
    )
