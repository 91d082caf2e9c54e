"""How the documents of two versions differ, read from what was live from when to when."""

import json
from typing import Any

from sqlalchemy import (
    Connection,
    Subquery,
    and_,
    case,
    collate,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from shared.catalog.content.contents import collation
from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.publishing.lifetimes import require_live
from shared.catalog.tables import CollectionRow, DocumentRow, LivenessRow, RevisionRow, VersionRow
from shared.domain import Change, DocumentChange, RevisionKind, VersionDiff, sha256_of

_old, _new = aliased(RevisionRow, name="old"), aliased(RevisionRow, name="new")


def compare(
    tx: Connection,
    collection_id: int,
    versions: tuple[int, int],
    *,
    limit: int,
    cursor: str | None,
) -> VersionDiff:
    """Compare the documents of two versions (before, after), in either order.

    Reads only what began or ended between the two. A document that says the same in both, be it
    by different revisions, is no change. Of a document that was added or removed, text and
    metadata both count as changed.

    Raises:
        VersionNotFound, VersionExpired
    """
    for version in versions:
        require_live(version, tx.execute(_state(collection_id, version)).one_or_none())
    changed = _changed(_sides(collection_id, versions))
    counts = tx.execute(_counts(changed)).one()
    in_order = collate(changed.selected_columns.external_id, collation(tx))
    page = changed.order_by(in_order).limit(limit + 1)
    if cursor is not None:
        page = page.where(in_order > cursor)
    rows = tx.execute(page).all()
    return VersionDiff(
        collection=tx.execute(
            select(CollectionRow.name).where(CollectionRow.id == collection_id)
        ).scalar_one(),
        before=versions[0],
        after=versions[1],
        added=counts.added,
        changed=counts.both,
        removed=counts.removed,
        changes=tuple(_change(row) for row in rows[:limit]),
        next_cursor=rows[limit - 1].external_id if len(rows) > limit else None,
    )


def _state(collection_id: int, version: int) -> AnySelect:
    return select(VersionRow.state).where(
        VersionRow.collection_id == collection_id, VersionRow.version == version
    )


def _sides(collection_id: int, versions: tuple[int, int]) -> Subquery:
    """Return, by document, the revision of each version, of documents that may differ."""
    low, high = sorted(versions)
    mine = (
        LivenessRow.collection_id == collection_id,
        LivenessRow.kind == RevisionKind.PUT.value,
    )
    only_low = and_(
        LivenessRow.from_version <= low,
        LivenessRow.to_version > low,
        LivenessRow.to_version <= high,
    )
    only_high = and_(
        LivenessRow.from_version > low,
        LivenessRow.from_version <= high,
        or_(LivenessRow.to_version.is_(None), LivenessRow.to_version > high),
    )
    was, now = (only_low, only_high) if versions[0] <= versions[1] else (only_high, only_low)
    both = union_all(
        *(
            select(
                LivenessRow.document_id, LivenessRow.revision_id, literal(side).label("side")
            ).where(*mine, only)
            for side, only in ((0, was), (1, now))
        )
    ).subquery("both")

    def of(side: int) -> Any:
        return func.max(case((both.c.side == side, both.c.revision_id)))

    return (
        select(both.c.document_id, of(0).label("was"), of(1).label("becomes"))
        .group_by(both.c.document_id)
        .subquery("sides")
    )


def _changed(sides: Subquery) -> AnySelect:
    return (
        select(
            DocumentRow.external_id,
            _old.id.label("old_id"),
            _old.title.label("old_title"),
            _old.text_sha256.label("old_text"),
            _old.metadata_json.label("old_metadata"),
            _new.id.label("new_id"),
            _new.title.label("new_title"),
            _new.text_sha256.label("new_text"),
            _new.metadata_json.label("new_metadata"),
        )
        .select_from(sides)
        .join(DocumentRow, DocumentRow.id == sides.c.document_id)
        .outerjoin(_old, _old.id == sides.c.was)
        .outerjoin(_new, _new.id == sides.c.becomes)
        .where(
            or_(
                _old.id.is_(None),
                _new.id.is_(None),
                _old.content_sha256 != _new.content_sha256,
            )
        )
    )


def _counts(changed: AnySelect) -> AnySelect:
    ids = changed.with_only_columns(_old.id.label("old_id"), _new.id.label("new_id")).subquery()
    return select(
        func.count().filter(ids.c.old_id.is_(None)).label("added"),
        func.count().filter(ids.c.new_id.is_(None)).label("removed"),
        func.count().filter(ids.c.old_id.is_not(None), ids.c.new_id.is_not(None)).label("both"),
    )


def _change(row: AnyRow) -> DocumentChange:
    if row.old_id is None or row.new_id is None:
        return DocumentChange(
            id=row.external_id,
            change=Change.ADDED if row.old_id is None else Change.REMOVED,
            title_before=row.old_title,
            title_after=row.new_title,
            text_changed=True,
            metadata_changed=True,
        )
    return DocumentChange(
        id=row.external_id,
        change=Change.CHANGED,
        title_before=row.old_title,
        title_after=row.new_title,
        text_changed=row.old_text != row.new_text,
        metadata_changed=_canonical(row.old_metadata) != _canonical(row.new_metadata),
    )


def _canonical(metadata_json: str) -> str:
    return sha256_of(json.loads(metadata_json))
