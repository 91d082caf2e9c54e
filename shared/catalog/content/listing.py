"""Documents in the order of their ids, a page at a time."""

from collections.abc import Iterator, Sequence

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    case,
    collate,
    func,
    select,
)
from sqlalchemy.orm import aliased

from shared.catalog.content.contents import collation
from shared.catalog.content.filtering import after_prefix
from shared.catalog.content.lines import LINE_COLUMNS, line_of
from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.jobs.records import is_deleted, may_be_newest, newest_first
from shared.catalog.publishing.lifetimes import live_at, pages
from shared.catalog.tables import DocumentRow, LivenessRow, RevisionRow
from shared.domain import (
    DocumentFilter,
    DocumentLine,
    DocumentPage,
    RevisionKind,
    State,
)
from shared.domain.filters import matches

_MOST_LOOKED_AT = 10_000
"""Documents that one page looks at; what is asked for may be rare."""
_STEP = 500
_BEGINNING_CHARACTERS = 300


def list_documents(
    tx: Connection, collection_id: int, which: DocumentFilter, *, limit: int, cursor: str | None
) -> DocumentPage:
    """Return at most *limit* documents behind the id *cursor*."""
    found: list[DocumentLine] = []
    for looked_at in range(0, _MOST_LOOKED_AT, _STEP):
        del looked_at
        window = tx.execute(_window(tx, collection_id, which.prefix, cursor)).all()
        for line in _lines(tx, window, which):
            found.append(line)
            if len(found) == limit:
                more = line.id != window[-1].external_id or len(window) == _STEP
                return DocumentPage(documents=tuple(found), next_cursor=line.id if more else None)
        if len(window) < _STEP:
            return DocumentPage(documents=tuple(found), next_cursor=None)
        cursor = window[-1].external_id
    return DocumentPage(documents=tuple(found), next_cursor=cursor)


def _window(tx: Connection, collection_id: int, prefix: str, cursor: str | None) -> AnySelect:
    in_order = collate(DocumentRow.external_id, collation(tx))
    wanted = (
        select(DocumentRow.id, DocumentRow.external_id)
        .where(DocumentRow.collection_id == collection_id, DocumentRow.purged_at.is_(None))
        .order_by(in_order)
        .limit(_STEP)
    )
    if prefix:
        wanted = wanted.where(in_order >= prefix)
        if (end := after_prefix(prefix)) is not None:
            wanted = wanted.where(in_order < end)
    return wanted if cursor is None else wanted.where(in_order > cursor)


def _lines(
    tx: Connection, window: Sequence[AnyRow], which: DocumentFilter
) -> Iterator[DocumentLine]:
    """Yield what is asked for of the documents in *window*, in order."""
    wanted = _NEWEST
    if which.version is not None:
        wanted = _AT_A_VERSION.where(*live_at(LivenessRow, which.version))
    rows: dict[int, AnyRow] = {}
    for page in pages([row.id for row in window]):
        rows |= {row.document_id: row for row in tx.execute(wanted, {"ids": page})}
    for document in window:
        row = rows.get(document.id)
        if row is not None and (which.version is not None or not is_deleted(row)):
            line = line_of(document.external_id, row, beginning=row.beginning or "")
            if _fits(line, which):
                yield line


def _fits(line: DocumentLine, which: DocumentFilter) -> bool:
    return (
        which.state in (None, line.state)
        and which.warned in (None, bool(line.warnings))
        and (which.where is None or matches(which.where, line.metadata))
    )


_ids: BindParameter[int] = bindparam("ids", expanding=True)
_other, _live = aliased(RevisionRow, name="other"), aliased(RevisionRow, name="live")


def _beginning(revision: type[RevisionRow]) -> ColumnElement[str | None]:
    """Return the beginning of the text of a revision without a title."""
    text = func.substr(revision.text, 1, _BEGINNING_CHARACTERS)
    return case((func.trim(revision.title) == "", text), else_=None)


_newest = (
    select(_other.id)
    .where(_other.document_id == DocumentRow.id, *may_be_newest(_other))
    .order_by(*newest_first(_other))
    .limit(1)
    .correlate(DocumentRow)
    .scalar_subquery()
)
# What says nothing new keeps no text: what it says is what is live.
_same = RevisionRow.state == State.UNCHANGED.value
_NEWEST = (
    select(
        *LINE_COLUMNS,
        case((_same, _live.title), else_=RevisionRow.title).label("title"),
        case((_same, _live.metadata_json), else_=RevisionRow.metadata_json).label("metadata_json"),
        case((_same, _beginning(_live)), else_=_beginning(RevisionRow)).label("beginning"),
    )
    .select_from(DocumentRow)
    .join(RevisionRow, RevisionRow.id == _newest)
    .outerjoin(
        LivenessRow, (LivenessRow.document_id == DocumentRow.id) & LivenessRow.to_version.is_(None)
    )
    .outerjoin(_live, _live.id == LivenessRow.revision_id)
    .where(DocumentRow.id.in_(_ids))
)
_AT_A_VERSION = (
    select(
        *LINE_COLUMNS,
        RevisionRow.title,
        RevisionRow.metadata_json,
        _beginning(RevisionRow).label("beginning"),
    )
    .join(LivenessRow, LivenessRow.revision_id == RevisionRow.id)
    .where(
        LivenessRow.document_id.in_(_ids),
        LivenessRow.kind == RevisionKind.PUT.value,
    )
)
