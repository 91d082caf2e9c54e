"""Make the space that a rebuild has built the live one, in the publishing transaction.

The use case read what is live, and what of it the space holds, at the head that this transaction
has compared. What may have changed since without moving the head is looked at here once more.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, select, text, update

from shared.catalog.collections.collections import live_space, make_live
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.events.telling import Told, failure
from shared.catalog.rebuilds.claims import IS_LIVE
from shared.catalog.rebuilds.parts import read_parts
from shared.catalog.rebuilds.standings import count_unfinished, hold_rebuild
from shared.catalog.tables import (
    DocumentRow,
    LivenessRow,
    PartRow,
    RebuildRow,
    RenditionRow,
    RevisionRow,
    VersionRow,
)
from shared.domain import Completion, Head, State
from shared.errors import VersionConflict


def swap_in(tx: Connection, completion: Completion, head: Head) -> list[Told]:
    """Swap the rebuilt space in at *head*, the new version; return which documents fail with it.

    Raises:
        Fenced: the rebuild has ended.
        VersionConflict: it is not as it was read; nothing was written.
    """
    rebuild = hold_rebuild(tx, completion.rebuild_id)
    space_id = rebuild.space_id
    unfinished, failed = count_unfinished(tx, space_id)
    parts = {one.id for one in read_parts(tx, space_id)}
    if unfinished or failed != completion.failed or parts != set(completion.parts):
        raise VersionConflict("The new space was changed meanwhile.")
    if failed and not rebuild.forced:
        raise VersionConflict("Documents failed that must not be left out.")
    _remember_spaces(tx, head.collection_id)
    make_live(tx, head.collection_id, space_id)
    left_out = _leave_out(tx, space_id, head.version)
    _warn(tx, space_id)
    tx.execute(delete(PartRow).where(PartRow.space_id == space_id))
    done = tx.scalar(_COUNT_DONE, {"space": space_id})
    tx.execute(
        update(RebuildRow)
        .where(RebuildRow.id == completion.rebuild_id)
        .values(
            state="done",
            ended_at=db_now(),
            held_until=None,
            trouble=None,
            version=head.version,
            documents=(done or 0) + failed,
            done=done,
            failed=failed,
        )
    )
    return [failure(head.collection_id, row.external_id, row.job_id, row.error) for row in left_out]


def _remember_spaces(tx: Connection, collection_id: int) -> None:
    """Write down of which space the versions are that had no need to say so till now."""
    old = live_space(tx, collection_id).id
    tx.execute(
        update(VersionRow)
        .where(VersionRow.collection_id == collection_id, VersionRow.space_id.is_(None))
        .values(space_id=old)
    )


def _leave_out(tx: Connection, space_id: int, version: int) -> Sequence[AnyRow]:
    """Let documents that the space cannot hold fail, as they would have when they came."""
    rows = tx.execute(_FAILED, {"space": space_id}).all()
    for row in rows:
        tx.execute(_CLOSE, {"revision": row.revision_id, "until": version})
        tx.execute(_FAIL, {"revision": row.revision_id, "said": row.error})
    return rows


def _warn(tx: Connection, space_id: int) -> None:
    """Let documents say what was cut off in this space, no more what was in the other."""
    for row in tx.execute(_WARNED, {"space": space_id}).all():
        said = None if row.warnings == "[]" else row.warnings
        tx.execute(_SAY, {"revision": row.revision_id, "said": said})


_FAILED = (
    select(
        RenditionRow.revision_id,
        RenditionRow.error,
        RevisionRow.job_id,
        DocumentRow.external_id,
    )
    .join(RevisionRow, RevisionRow.id == RenditionRow.revision_id)
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .where(
        RenditionRow.space_id == bindparam("space"), text("renditions.state = 'failed'"), IS_LIVE
    )
    .order_by(RenditionRow.revision_id)
)
_CLOSE = (
    update(LivenessRow)
    .where(LivenessRow.revision_id == bindparam("revision"), LivenessRow.to_version.is_(None))
    .values(to_version=bindparam("until"))
)
_FAIL = (
    update(RevisionRow)
    .where(RevisionRow.id == bindparam("revision"))
    .values(state=State.FAILED.value, error=bindparam("said"))
)
_WARNED = select(RenditionRow.revision_id, RenditionRow.warnings).where(
    RenditionRow.space_id == bindparam("space"),
    text("renditions.warnings IS NOT NULL"),
    RenditionRow.state == "done",
    IS_LIVE,
)
_SAY = (
    update(RevisionRow)
    .where(RevisionRow.id == bindparam("revision"))
    .values(warnings=bindparam("said"))
)
_COUNT_DONE = select(func.count()).where(
    RenditionRow.space_id == bindparam("space"), RenditionRow.state == "done", IS_LIVE
)
