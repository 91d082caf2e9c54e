"""The transaction that takes a claim."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, update

from shared.catalog.clock import read_clock
from shared.catalog.collections import live_spaces
from shared.catalog.dialect import AnyRow
from shared.catalog.tables import CLAIMED, PENDING, ClaimRow, DocumentRow, RevisionRow
from shared.domain import Claim, Lane, Revision, RevisionKind, Space

# How many revisions are locked at once: of those that turn out too many for the claim, other
# workers see nothing until it commits.
_PAGE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker can take."""

    worker: str
    fingerprints: tuple[str, ...]
    max_lane: int
    max_characters: int
    max_documents: int
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class _Choice:
    ids: Sequence[int]
    closed_by: str


def take(tx: Connection, wish: Wish) -> Claim | None:
    """Claim what *wish* asks for, from the first eligible revision on; None if there is none."""
    spaces = live_spaces(tx, wish.fingerprints)
    now = read_clock(tx)
    first = _first(tx, wish, spaces, now)
    if first is None:
        return None
    fingerprint = spaces[first.collection_id].fingerprint
    of_encoder = [key for key, space in spaces.items() if space.fingerprint == fingerprint]
    choice = (
        _Choice([first.id], "suspect") if first.crashes else _fill(tx, wish, first, of_encoder, now)
    )
    claim_id = _insert_claim(tx, wish, choice, fingerprint, first.lane, now)
    tx.execute(_CLAIM, {"ids": choice.ids, "mine": claim_id, "now": now})
    rows = tx.execute(_CLAIMED, {"ids": choice.ids})
    revisions = tuple(_revision(row) for row in rows)
    more = choice.closed_by in ("tokens", "documents") or bool(_first(tx, wish, spaces, now))
    return Claim(
        id=claim_id,
        revisions=revisions,
        spaces={one.collection_id: spaces[one.collection_id] for one in revisions},
        more=more,
        closed_by=choice.closed_by,
    )


def _first(tx: Connection, wish: Wish, spaces: Mapping[int, Space], now: float) -> AnyRow | None:
    wanted = {"collections": list(spaces), "now": now, "max_lane": wish.max_lane}
    return tx.execute(_FIRST, wanted).one_or_none()


def _fill(
    tx: Connection, wish: Wish, first: AnyRow, collections: Sequence[int], now: float
) -> _Choice:
    """Choose from *first* on until a budget is spent, passing over suspects."""
    ids: list[int] = []
    characters = 0
    wanted = {"collections": collections, "now": now, "lane": first.lane}
    while True:
        after = ids[-1] if ids else first.id - 1
        rows = tx.execute(_NEXT, wanted | {"after": after}).all()
        for row in rows:
            if ids and characters + row.characters > wish.max_characters:
                return _Choice(ids, "tokens")
            if len(ids) >= max(wish.max_documents, 1):
                return _Choice(ids, "documents")
            ids.append(row.id)
            characters += row.characters
        if len(rows) < _PAGE:
            return _Choice(ids, "drained")


def _insert_claim(
    tx: Connection, wish: Wish, choice: _Choice, fingerprint: str, lane: int, now: float
) -> int:
    claim = {
        "worker": wish.worker,
        "fingerprint": fingerprint,
        "lane": lane,
        "state": "active",
        "documents": len(choice.ids),
        "closed_by": choice.closed_by,
        "claimed_at": now,
        "lease_until": now + wish.lease_seconds,
    }
    return tx.execute(_INSERT_CLAIM, claim).scalar_one()


_ELIGIBLE = (
    select(
        RevisionRow.id,
        RevisionRow.collection_id,
        RevisionRow.lane,
        RevisionRow.crashes,
        RevisionRow.characters,
    )
    .where(
        RevisionRow.state == PENDING,
        RevisionRow.not_before <= bindparam("now"),
        RevisionRow.collection_id.in_(bindparam("collections", expanding=True)),
    )
    .order_by(RevisionRow.lane, RevisionRow.id)
    .with_for_update(skip_locked=True)
)
_FIRST = _ELIGIBLE.where(RevisionRow.lane <= bindparam("max_lane")).limit(1)
_NEXT = _ELIGIBLE.where(
    RevisionRow.lane == bindparam("lane"),
    RevisionRow.id > bindparam("after"),
    RevisionRow.crashes == 0,
).limit(_PAGE)
_INSERT_CLAIM = insert(ClaimRow).returning(ClaimRow.id)
_CLAIM = (
    update(RevisionRow)
    .where(RevisionRow.id.in_(bindparam("ids", expanding=True)))
    .values(
        state=CLAIMED,
        claim_id=bindparam("mine"),
        claimed_at=func.coalesce(RevisionRow.claimed_at, bindparam("now")),
    )
)
_CLAIMED = (
    select(
        RevisionRow.id,
        RevisionRow.collection_id,
        RevisionRow.document_id,
        DocumentRow.external_id,
        RevisionRow.kind,
        RevisionRow.lane,
        RevisionRow.crashes,
        RevisionRow.content_sha256,
        RevisionRow.text_sha256,
        RevisionRow.title,
        RevisionRow.metadata_json,
        RevisionRow.text,
    )
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .where(RevisionRow.id.in_(bindparam("ids", expanding=True)))
    .order_by(RevisionRow.id)
)


def _revision(row: AnyRow) -> Revision:
    return Revision(
        id=row.id,
        collection_id=row.collection_id,
        document_id=row.document_id,
        external_id=row.external_id,
        kind=RevisionKind(row.kind),
        title=row.title,
        text=row.text,
        metadata=json.loads(row.metadata_json),
        content_sha256=row.content_sha256,
        text_sha256=row.text_sha256,
        lane=Lane(row.lane),
        crashes=row.crashes,
    )
