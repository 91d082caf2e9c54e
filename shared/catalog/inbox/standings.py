"""Where documents stand while revisions are added to them; their rows are locked meanwhile."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, bindparam, collate, select, update
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningInsert

from shared.catalog.collections.naming import named
from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.inbox.drafts import Parcel
from shared.catalog.tables import (
    WAITING_STATES,
    CollectionRow,
    DocumentRow,
    LivenessRow,
    RevisionRow,
)
from shared.domain import RevisionKind, State

NEVER_COUNTED = (State.SUPERSEDED.value, State.CANCELLED.value, State.WITHDRAWN.value)
"""States of revisions that are as if they had never been sent."""

_PAGE = 1000  # documents in one statement; SQLite allows 32,766 parameters


@dataclass(slots=True)
class Standing:
    """Where a document stands while revisions are added to it."""

    document_id: int
    external_version: int | None
    waiting: bool
    """A revision is pending or claimed, so what will be live is not known yet."""
    gone: bool
    """Never seen, withdrawn, or its newest revision that counts is a published delete."""
    live_sha256: str | None
    live_version: int | None
    raised: bool = False
    """A higher external version was accepted."""


def lock_known(tx: Connection, parcels: Sequence[Parcel]) -> None:
    """Lock the known documents of several parcels, in the order in which `store` locks them.

    Else two batches that hold the same documents in another order would deadlock often. Of
    documents new to both they still may; then one is undone and done again.
    """
    if tx.dialect.name == "sqlite":
        return
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for parcel in parcels:
        wanted[parcel.submission.collection].update(one.document.id for one in parcel.drafts)
    for collection in sorted(wanted):
        ordered = sorted(wanted[collection])
        for start in range(0, len(ordered), _PAGE):
            page = ordered[start : start + _PAGE]
            tx.execute(_LOCK_KNOWN, {"wanted": collection, "external_ids": page})


def lock(
    tx: Connection, collection_id: int, external_ids: set[str], now: float
) -> dict[str, Standing]:
    """Make or lock the documents' rows until the commit; return where each stands."""
    standings: dict[str, Standing] = {}
    # One order for everybody: two submissions of the same documents cannot deadlock.
    ordered = sorted(external_ids)
    common = {"collection_id": collection_id, "touched_at": now}
    for start in range(0, len(ordered), _PAGE):
        page = ordered[start : start + _PAGE]
        rows = [common | {"external_id": one} for one in page]
        ids = tx.scalars(_upsert_document(tx.dialect.name), rows).all()
        found = tx.execute(_STANDING, {"ids": ids})
        standings |= {row.external_id: _standing(row) for row in found}
    return standings


def raise_external_versions(tx: Connection, standings: Iterable[Standing]) -> None:
    """Remember the highest external versions that were accepted."""
    raised = [
        {"document": one.document_id, "highest": one.external_version}
        for one in standings
        if one.raised
    ]
    if raised:
        tx.execute(
            update(DocumentRow)
            .where(DocumentRow.id == bindparam("document"))
            .values(external_version=bindparam("highest")),
            raised,
        )


@cache
def _upsert_document(dialect: str) -> ReturningInsert[int]:
    new = insert_new(dialect, DocumentRow)
    # `touched_at` is no key column, so PostgreSQL takes a lock that lets publishers refer to
    # the document meanwhile.
    return new.on_conflict_do_update(
        index_elements=["collection_id", "external_id"],
        set_={"touched_at": new.excluded.touched_at},
    ).returning(DocumentRow.id)


_LOCK_KNOWN = (
    select(DocumentRow.id)
    .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
    .where(
        named(bindparam("wanted")),
        DocumentRow.external_id.in_(bindparam("external_ids", expanding=True)),
    )
    # Python's order of strings, whatever the database's is.
    .order_by(collate(DocumentRow.external_id, "C"))
    .with_for_update(key_share=True, of=DocumentRow)
)
_other = aliased(RevisionRow, name="other")
_live = aliased(RevisionRow, name="live")
_newest_is_gone = (
    select(
        (_other.kind == RevisionKind.DELETE.value)
        & _other.state.in_((State.INDEXED.value, State.UNCHANGED.value))
    )
    .where(
        _other.document_id == DocumentRow.id,
        _other.state.not_in(NEVER_COUNTED),
    )
    .order_by(_other.id.desc())
    .limit(1)
    .correlate(DocumentRow)
    .scalar_subquery()
)
# One statement, hence one snapshot on PostgreSQL: were "is anything waiting" read later than
# "what is live", a publisher between the two could make stale content look live and final.
_STANDING = (
    select(
        DocumentRow.id,
        DocumentRow.external_id,
        DocumentRow.external_version,
        select(_other.id)
        .where(_other.document_id == DocumentRow.id, _other.state.in_(WAITING_STATES))
        .correlate(DocumentRow)
        .exists()
        .label("waiting"),
        _newest_is_gone.label("gone"),
        _live.kind,
        _live.content_sha256,
        LivenessRow.from_version,
    )
    .select_from(DocumentRow)
    .outerjoin(
        LivenessRow,
        (LivenessRow.document_id == DocumentRow.id) & LivenessRow.to_version.is_(None),
    )
    .outerjoin(_live, _live.id == LivenessRow.revision_id)
    .where(DocumentRow.id.in_(bindparam("ids", expanding=True)))
)


def _standing(row: AnyRow) -> Standing:
    is_put = row.kind == RevisionKind.PUT.value
    return Standing(
        document_id=row.id,
        external_version=row.external_version,
        waiting=bool(row.waiting),
        gone=row.gone is None or bool(row.gone),
        live_sha256=row.content_sha256 if is_put else None,
        live_version=row.from_version if is_put else None,
    )
