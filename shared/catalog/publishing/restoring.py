"""Make the head equal to an older version again, in the publishing transaction.

Intervals are only closed and added, so what older versions held stays as it was. Each step is one
statement over all documents that differ. Of them, the rows are locked before states change: a
submission that was accepted meanwhile, by what was live until now, is then seen and judged too.
"""

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    and_,
    bindparam,
    collate,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from shared.catalog.content.fields import forget_fields
from shared.catalog.publishing.forgetting import ERASED
from shared.catalog.publishing.lifetimes import live_at
from shared.catalog.tables import WAITING_STATES, DocumentRow, LivenessRow, RevisionRow
from shared.domain import State


def restore(tx: Connection, collection_id: int, old: int, new: int) -> None:
    """Make version *new*, just inserted, hold what *old* holds.

    Revisions that are live no more become `withdrawn`; those that are again become `indexed`.
    What waits stays and will publish on top.
    """
    wanted = {"collection": collection_id, "old": old, "new": new}
    if tx.dialect.name != "sqlite":
        # Right after a big load PostgreSQL knows nothing of it yet, and would look through a
        # whole index for each document: 171 s for 30,000 documents instead of 10.
        tx.exec_driver_sql("ANALYZE (SKIP_LOCKED) liveness, revisions")
    tx.execute(_CLOSE, wanted)
    tx.execute(_OPEN, wanted)
    if tx.dialect.name != "sqlite":
        tx.execute(_LOCK_DOCUMENTS, wanted)
    forget_fields(tx, tx.scalars(_WITHDRAW_UNCHANGED, wanted).all())
    tx.execute(_WITHDRAW, wanted)
    tx.execute(_REVIVE, wanted)
    tx.execute(_TURN_BACK_EXTERNAL_VERSIONS, wanted)


_collection: BindParameter[int] = bindparam("collection")
_old: BindParameter[int] = bindparam("old")
_new: BindParameter[int] = bindparam("new")
_other = aliased(LivenessRow, name="other")
_was_live = (
    select(_other.revision_id)
    .where(_other.revision_id == LivenessRow.revision_id, *live_at(_other, _old))
    .exists()
)
_is_live = (
    select(_other.revision_id)
    .where(_other.revision_id == LivenessRow.revision_id, _other.to_version.is_(None))
    .exists()
)
_CLOSE = (
    update(LivenessRow)
    .where(
        LivenessRow.collection_id == _collection,
        LivenessRow.to_version.is_(None),
        LivenessRow.from_version > _old,
        ~_was_live,
    )
    .values(to_version=_new)
)
_OPEN = insert(LivenessRow).from_select(
    [
        "revision_id",
        "document_id",
        "collection_id",
        "kind",
        "from_version",
        "to_version",
        "settled_id",
    ],
    select(
        LivenessRow.revision_id,
        LivenessRow.document_id,
        LivenessRow.collection_id,
        LivenessRow.kind,
        _new,
        null(),
        LivenessRow.revision_id,
    ).where(
        LivenessRow.collection_id == _collection,
        LivenessRow.from_version <= _old,
        LivenessRow.to_version > _old,
        ~_is_live,
    ),
)


def _differing() -> Select[int]:
    """Return the documents whose interval ended or began with the new version."""
    mine = LivenessRow.collection_id == _collection
    ended = select(LivenessRow.document_id).where(mine, LivenessRow.to_version == _new)
    began = select(LivenessRow.document_id).where(mine, LivenessRow.from_version == _new)
    both = ended.union(began).subquery("differing")
    return select(both.c.document_id)


# In the order in which submissions lock them, so that neither deadlocks with the other.
_LOCK_DOCUMENTS = select(func.count()).select_from(
    select(DocumentRow.id)
    .where(DocumentRow.id.in_(_differing()))
    .order_by(collate(DocumentRow.external_id, "C"))
    .with_for_update(key_share=True)
    .subquery("locked")
)
_live = aliased(RevisionRow, name="live")
_live_id = func.coalesce(
    select(_other.revision_id)
    .where(_other.document_id == RevisionRow.document_id, _other.to_version.is_(None))
    .correlate(RevisionRow)
    .scalar_subquery(),
    0,
)
_says_the_same = (
    select(_live.id)
    .join(_other, and_(_other.revision_id == _live.id, _other.to_version.is_(None)))
    .where(
        _other.document_id == RevisionRow.document_id,
        _live.kind == RevisionRow.kind,
        _live.content_sha256 == RevisionRow.content_sha256,
    )
    .correlate(RevisionRow)
    .exists()
)
_of_differing = RevisionRow.document_id.in_(_differing())
# By version alone, one that an earlier restore had withdrawn and a later one revived could pass
# as indexed beside an older revision that is live.
_came_later = or_(func.coalesce(RevisionRow.version, 0) > _old, RevisionRow.id > _live_id)
# What said the same as a revision that no longer counts; that one has the text.
_WITHDRAW_UNCHANGED = (
    update(RevisionRow)
    .where(_of_differing, RevisionRow.state == State.UNCHANGED.value, ~_says_the_same, _came_later)
    .values(state=State.WITHDRAWN.value, **ERASED)
    .returning(RevisionRow.id)
)
_WITHDRAW = (
    update(RevisionRow)
    .where(
        _of_differing,
        RevisionRow.state == State.INDEXED.value,
        RevisionRow.id != _live_id,
        _came_later,
    )
    .values(state=State.WITHDRAWN.value)
)
_REVIVE = (
    update(RevisionRow)
    .where(
        RevisionRow.id.in_(
            select(LivenessRow.revision_id).where(
                LivenessRow.collection_id == _collection, LivenessRow.from_version == _new
            )
        ),
        # Or left out at the end of a rebuild
        RevisionRow.state.in_((State.WITHDRAWN.value, State.FAILED.value)),
    )
    .values(state=State.INDEXED.value, error=null())
)
# The highest that counts: of what is live now, and of what waits, which was promised.
_counting = (
    select(func.max(RevisionRow.external_version))
    .where(
        RevisionRow.document_id == DocumentRow.id,
        or_(RevisionRow.state.in_(WAITING_STATES), RevisionRow.id == _live_id),
    )
    .correlate(DocumentRow)
    .scalar_subquery()
)
_TURN_BACK_EXTERNAL_VERSIONS = (
    update(DocumentRow).where(DocumentRow.id.in_(_differing())).values(external_version=_counting)
)
