"""The transaction that takes a claim."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, update

from shared.catalog.clock import read_clock
from shared.catalog.collections import live_space, live_spaces
from shared.catalog.dialect import AnyRow
from shared.catalog.lifetimes import pages
from shared.catalog.tables import CLAIMED, PENDING, ClaimRow, DocumentRow, RevisionRow
from shared.domain import Claim, Lane, Revision, RevisionKind, Space

# How many revisions are locked at once: of those that turn out too many for the claim, other
# workers see nothing until it commits.
_PAGE = 32


@dataclass(frozen=True, slots=True)
class Lessee:
    """Who takes a claim, and for how long at first."""

    worker: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker can take."""

    lessee: Lessee
    fingerprints: tuple[str, ...]
    max_lane: int
    max_characters: int
    max_documents: int


@dataclass(frozen=True, slots=True)
class _Choice:
    ids: Sequence[int]
    closed_by: str
    fingerprint: str
    lane: int


def take(tx: Connection, wish: Wish) -> Claim | None:
    """Claim what *wish* asks for, from the first eligible revision on; None if there is none."""
    spaces = live_spaces(tx, wish.fingerprints)
    now = read_clock(tx)
    first = _first(tx, wish, spaces, now)
    if first is None:
        return None
    fingerprint = spaces[first.collection_id].fingerprint
    of_encoder = [key for key, space in spaces.items() if space.fingerprint == fingerprint]
    ids, closed_by = (
        ([first.id], "suspect") if first.crashes else _fill(tx, wish, first, of_encoder, now)
    )
    choice = _Choice(ids, closed_by, fingerprint, first.lane)
    claim_id, revisions = _hand_over(tx, wish.lessee, choice, now)
    more = closed_by in ("tokens", "documents") or bool(_first(tx, wish, spaces, now))
    return Claim(
        id=claim_id,
        revisions=revisions,
        spaces={one.collection_id: spaces[one.collection_id] for one in revisions},
        more=more,
        closed_by=closed_by,
    )


def take_job(tx: Connection, job_id: str, lessee: Lessee, max_documents: int) -> Claim | None:
    """Claim pending revisions of one job, held or not, oldest first; None if there are none."""
    most = max(max_documents, 1)
    rows = tx.execute(_OF_JOB, {"job": job_id, "most": most + 1}).all()
    if not rows:
        return None
    more = len(rows) > most
    closed_by = "documents" if more else "drained"
    collection_id, lane = rows[0].collection_id, rows[0].lane
    space = live_space(tx, collection_id)
    ids = [row.id for row in rows[:most]]
    choice = _Choice(ids, closed_by, space.fingerprint, lane)
    claim_id, revisions = _hand_over(tx, lessee, choice, read_clock(tx))
    return Claim(
        id=claim_id,
        revisions=revisions,
        spaces={collection_id: space},
        more=more,
        closed_by=closed_by,
    )


def _hand_over(
    tx: Connection, lessee: Lessee, choice: _Choice, now: float
) -> tuple[int, tuple[Revision, ...]]:
    """Put what was chosen, and is locked, into a new claim; return its id and revisions."""
    claim_id = _insert_claim(tx, lessee, choice, now)
    for page in pages(choice.ids):
        tx.execute(_CLAIM, {"ids": page, "mine": claim_id, "now": now})
    revisions = tuple(
        _revision(row) for page in pages(choice.ids) for row in tx.execute(_CLAIMED, {"ids": page})
    )
    return claim_id, revisions


def _first(tx: Connection, wish: Wish, spaces: Mapping[int, Space], now: float) -> AnyRow | None:
    wanted = {"collections": list(spaces), "now": now, "max_lane": wish.max_lane}
    return tx.execute(_FIRST, wanted).one_or_none()


def _fill(
    tx: Connection, wish: Wish, first: AnyRow, collections: Sequence[int], now: float
) -> tuple[list[int], str]:
    """Choose from *first* on until a budget is spent, passing over suspects."""
    ids: list[int] = []
    characters = 0
    wanted = {"collections": collections, "now": now, "lane": first.lane}
    while True:
        after = ids[-1] if ids else first.id - 1
        rows = tx.execute(_NEXT, wanted | {"after": after}).all()
        for row in rows:
            if ids and characters + row.characters > wish.max_characters:
                return ids, "tokens"
            if len(ids) >= max(wish.max_documents, 1):
                return ids, "documents"
            ids.append(row.id)
            characters += row.characters
        if len(rows) < _PAGE:
            return ids, "drained"


def _insert_claim(tx: Connection, lessee: Lessee, choice: _Choice, now: float) -> int:
    claim = {
        "worker": lessee.worker,
        "fingerprint": choice.fingerprint,
        "lane": choice.lane,
        "state": "active",
        "documents": len(choice.ids),
        "closed_by": choice.closed_by,
        "claimed_at": now,
        "lease_until": now + lessee.seconds,
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
_OF_JOB = (
    select(RevisionRow.id, RevisionRow.collection_id, RevisionRow.lane)
    .where(RevisionRow.job_id == bindparam("job"), RevisionRow.state == PENDING)
    .order_by(RevisionRow.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
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
