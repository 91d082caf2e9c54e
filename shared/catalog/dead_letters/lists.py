"""The two lists that dead letters are in, failed revisions and rejections, read as one.

Each is in the order of its ids, which rise with the time of receipt; a page takes from both what
is next by that time. A cursor says how far it got in each, so whatever comes or goes meanwhile, no
page repeats a letter or passes one over.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import merge
from typing import NamedTuple, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    SQLColumnExpression,
    case,
    false,
    func,
    select,
    text,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from shared.catalog.collections.naming import IS_THERE
from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.tables import (
    ClaimRow,
    CollectionRow,
    DocumentRow,
    JobRow,
    RejectionRow,
    RevisionRow,
)
from shared.domain import (
    DeadLetter,
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterKind,
    DeadLetterPage,
    State,
)
from shared.errors import Fault, InvalidRequest

_NO_MATTER = (State.SUPERSEDED.value, State.CANCELLED.value, State.WITHDRAWN.value)
_CURSOR = re.compile(r"([0-9]{0,18})\.([0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last revision and the last rejection that earlier pages held; None for none yet."""

    document: int | None = None
    message: int | None = None

    @classmethod
    def parse(cls, said: str | None) -> Self:
        """Return the cursor that an earlier page gave.

        Raises:
            InvalidRequest: none did.
        """
        if said is None:
            return cls()
        if not (found := _CURSOR.fullmatch(said)):
            detail = "is not a cursor that this list gave"
            raise InvalidRequest(f"/cursor: {detail}.", [Fault("/cursor", detail)])
        return cls(*(int(part) if part else None for part in found.groups()))

    def __str__(self) -> str:
        places = (self.document, self.message)
        return ".".join("" if place is None else str(place) for place in places)

    def behind(self, letters: Sequence[DeadLetter]) -> Self:
        """Return the cursor after *letters*, which begin at this one."""
        moved = self
        for kind, number in (letter.id for letter in letters):
            name = "document" if kind is DeadLetterKind.DOCUMENT else "message"
            moved = replace(moved, **{name: number})
        return moved


def read_page(
    tx: Connection,
    which: DeadLetterFilter,
    cursor: Cursor,
    *,
    limit: int,
    oldest_first: bool,
    kept_bytes: int,
) -> DeadLetterPage:
    """Return at most *limit* letters of *which* from *cursor* on; see `SqlDeadLetters`."""
    some = partial(_part, limit=limit, oldest_first=oldest_first)
    failed = some(_failed(which), RevisionRow.id, cursor.document)
    refused = some(_refused(which), RejectionRow.id, cursor.message)
    both = list(
        merge(
            [_document(row) for row in tx.execute(failed)],
            [_message(row, kept_bytes) for row in tx.execute(refused)],
            key=lambda letter: letter.received_at,
            reverse=not oldest_first,
        )
    )
    letters = tuple(both[:limit])
    more = len(both) > limit
    return DeadLetterPage(
        letters=letters, next_cursor=str(cursor.behind(letters)) if more else None
    )


def read_document(tx: Connection, revision_id: int) -> DeadLetter | None:
    """Return the failed revision with this id, if it is a dead letter."""
    row = tx.execute(_FAILED.where(RevisionRow.id == revision_id)).one_or_none()
    return _document(row) if row is not None else None


def read_message(tx: Connection, rejection_id: int, kept_bytes: int) -> DeadLetter | None:
    """Return the rejection with this id, replayed or not, if there is one."""
    row = tx.execute(_REFUSED.where(RejectionRow.id == rejection_id)).one_or_none()
    return _message(row, kept_bytes) if row is not None else None


def count(tx: Connection, most: int) -> int:
    """Return how many dead letters there are, at most *most*."""
    failed = _FAILED.with_only_columns(RevisionRow.id).limit(most).subquery()
    kept = _REFUSED.with_only_columns(RejectionRow.id).where(RejectionRow.replayed_at.is_(None))
    some = kept.limit(most).subquery()
    found = [tx.scalar(select(func.count()).select_from(one)) or 0 for one in (failed, some)]
    return min(sum(found), most)


def _part(
    wanted: AnySelect,
    key: InstrumentedAttribute[int],
    after: int | None,
    *,
    limit: int,
    oldest_first: bool,
) -> AnySelect:
    """Return a page of one list, and one letter more, by which it is known whether more follow."""
    wanted = wanted.order_by(key if oldest_first else key.desc()).limit(limit + 1)
    if after is None:
        return wanted
    return wanted.where(key > after if oldest_first else key < after)


# The condition of the partial index, word by word.
IS_FAILED = text("revisions.state = 'failed' AND revisions.dismissed_at IS NULL")
"""Of a revision that failed and was not dismissed."""
_newer = aliased(RevisionRow, name="newer")
OVERTAKEN = (
    select(_newer.id)
    .where(
        _newer.document_id == RevisionRow.document_id,
        _newer.id > RevisionRow.id,
        _newer.state.not_in(_NO_MATTER),
    )
    .exists()
)
"""Of a revision after which another one of its document came that counts."""
_when_failed = func.coalesce(ClaimRow.ended_at, RevisionRow.claimed_at, RevisionRow.accepted_at)
_why_failed = case((RevisionRow.solo_crashes > 0, "crashed"), else_="failed")
_FAILED = (
    select(
        RevisionRow.id,
        RevisionRow.accepted_at,
        RevisionRow.error,
        RevisionRow.forgotten,
        RevisionRow.job_id,
        CollectionRow.name,
        DocumentRow.external_id,
        JobRow.source,
        JobRow.producer,
        JobRow.key,
        _when_failed.label("failed_at"),
        _why_failed.label("reason"),
    )
    .join(CollectionRow, CollectionRow.id == RevisionRow.collection_id)
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .join(JobRow, JobRow.id == RevisionRow.job_id)
    .outerjoin(ClaimRow, ClaimRow.id == RevisionRow.claim_id)
    .where(IS_FAILED, DocumentRow.purged_at.is_(None), ~OVERTAKEN, IS_THERE)
)
_REFUSED = select(
    RejectionRow.id,
    RejectionRow.received_at,
    RejectionRow.source,
    RejectionRow.reason,
    RejectionRow.detail,
    RejectionRow.collection,
    RejectionRow.key,
    RejectionRow.size,
    RejectionRow.replayed_at,
    RejectionRow.job_id,
    func.length(RejectionRow.raw).label("kept"),
)


def _failed(which: DeadLetterFilter) -> AnySelect:
    if which.replayed or which.kind is DeadLetterKind.MESSAGE:
        return _FAILED.where(false())
    columns = _Columns(
        CollectionRow.name, JobRow.source, _why_failed, RevisionRow.error, RevisionRow.accepted_at
    )
    wanted = _FAILED.where(*columns.conditions(which))
    if which.job is not None:
        wanted = wanted.where(RevisionRow.job_id == which.job)
    if which.documents is not None:
        wanted = wanted.where(DocumentRow.external_id.in_(which.documents))
    return wanted


def _refused(which: DeadLetterFilter) -> AnySelect:
    of_documents = which.job is not None or which.documents is not None
    if of_documents or which.kind is DeadLetterKind.DOCUMENT:
        return _REFUSED.where(false())
    columns = _Columns(
        RejectionRow.collection,
        RejectionRow.source,
        RejectionRow.reason,
        RejectionRow.detail,
        RejectionRow.received_at,
    )
    replayed = RejectionRow.replayed_at
    chosen = replayed.is_not(None) if which.replayed else replayed.is_(None)
    return _REFUSED.where(chosen, *columns.conditions(which))


class _Columns(NamedTuple):
    """Where a list has what a filter speaks of."""

    collection: SQLColumnExpression[str | None]
    source: SQLColumnExpression[str]
    reason: SQLColumnExpression[str]
    detail: SQLColumnExpression[str | None]
    received_at: SQLColumnExpression[float]

    def conditions(self, which: DeadLetterFilter) -> Iterator[ColumnElement[bool]]:
        """Yield what *which* asks for."""
        if which.collection is not None:
            yield self.collection == which.collection
        if which.source is not None:
            yield self.source == which.source
        if which.reason is not None:
            yield self.reason == which.reason
        if which.text is not None:
            yield self.detail.icontains(which.text, autoescape=True)
        if which.since is not None:
            yield self.received_at >= which.since
        if which.until is not None:
            yield self.received_at < which.until


def _document(row: AnyRow) -> DeadLetter:
    gone = "Its text was let go, since a newer revision of the document came; send it again."
    return DeadLetter(
        id=DeadLetterId(DeadLetterKind.DOCUMENT, row.id),
        received_at=row.accepted_at,
        failed_at=row.failed_at,
        collection=row.name,
        source=row.source,
        producer=row.producer,
        key=row.key,
        document=row.external_id,
        reason=row.reason,
        detail=row.error or "",
        obstacle=gone if row.forgotten else None,
        job_id=row.job_id,
    )


def _message(row: AnyRow, kept_bytes: int) -> DeadLetter:
    return DeadLetter(
        id=DeadLetterId(DeadLetterKind.MESSAGE, row.id),
        received_at=row.received_at,
        failed_at=row.received_at,
        collection=row.collection,
        source=row.source,
        producer="",
        key=row.key,
        document=None,
        reason=row.reason,
        detail=row.detail,
        obstacle=_cut(row, kept_bytes),
        replayed_at=row.replayed_at,
        job_id=row.job_id,
    )


def _cut(row: AnyRow, kept_bytes: int) -> str | None:
    """Return what keeps a message from being read again: that only its beginning is kept."""
    advice = "Raise LAMINA_LIMITS_REJECTED_BYTES and send it again."
    if row.size is not None and row.size > row.kept:
        return f"Only the first {row.kept} of its {row.size} bytes are kept. {advice}"
    if row.size is None and row.kept >= kept_bytes:
        return f"Of its bytes maybe only the first {row.kept} are kept. {advice}"
    return None
