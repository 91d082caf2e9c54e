"""The transaction that takes a claim."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    bindparam,
    func,
    insert,
    select,
    tuple_,
    update,
)

from shared.catalog.collections.collections import live_space, live_spaces
from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.queue.flows import finish_busy_period
from shared.catalog.tables import ACTIVE, CLAIMED, PENDING, ClaimRow, DocumentRow, RevisionRow
from shared.domain import Claim, Lane, Revision, RevisionKind, Space

# How many revisions are locked at once: of those that turn out too many for the claim, other
# workers see nothing until it commits.
_PAGE = 32
_IN_A_ROW = 8
"""Claims of urgent lanes after which a less urgent one that waits has its turn."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """What becomes a claim; its rows are locked."""

    rows: Sequence[AnyRow]
    closed_by: str
    fingerprint: str
    turn: int | None
    """The highest of its turns; None for what is taken out of turn."""

    @property
    def ids(self) -> list[int]:
        """The revisions, oldest first: of one document, the last of a claim counts."""
        return sorted(row.id for row in self.rows)


def take(tx: Connection, wish: Wish) -> Claim | None:
    """Claim what *wish* asks for, from the first eligible revision on; None if there is none."""
    if tx.dialect.name != "sqlite":
        # Right after a big load PostgreSQL knows nothing of it yet, and would sort the whole
        # backlog instead of following the index: 1.1 s a claim with 50,000 documents, not 0.1.
        tx.exec_driver_sql("SET LOCAL enable_sort = off")
    spaces = live_spaces(tx, wish.fingerprints)
    now = read_clock(tx)
    first = _choose_first(tx, wish, spaces, now)
    if first is None:
        return None
    fingerprint = spaces[first.collection_id].fingerprint
    wanted: dict[str, object] = {
        "collections": [one for one, space in spaces.items() if space.fingerprint == fingerprint],
        "now": now,
        "lane": first.lane,
    }
    rows, closed_by = (_fill if first.suspect_of is None else _fill_suspects)(
        tx, wish, first, wanted
    )
    choice = _Choice(
        rows=rows,
        closed_by=closed_by,
        fingerprint=fingerprint,
        turn=max(row.turn for row in rows),
    )
    claim_id, revisions = _hand_over(tx, wish.lessee, choice, now)
    if closed_by == "drained":
        finish_busy_period(tx, claim_id, first.lane)
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
    collection_id = rows[0].collection_id
    space = live_space(tx, collection_id)
    choice = _Choice(
        rows=rows[:most], closed_by=closed_by, fingerprint=space.fingerprint, turn=None
    )
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
        revision_of(row)
        for page in pages(choice.ids)
        for row in tx.execute(CLAIMED_REVISIONS, {"ids": page})
    )
    return claim_id, revisions


def _first(tx: Connection, wish: Wish, spaces: Mapping[int, Space], now: float) -> AnyRow | None:
    wanted = {"collections": list(spaces), "now": now, "max_lane": wish.max_lane}
    return tx.execute(_FIRST, wanted).one_or_none()


def _choose_first(
    tx: Connection, wish: Wish, spaces: Mapping[int, Space], now: float
) -> AnyRow | None:
    """Return the first eligible revision, or the first innocent one where suspects must wait.

    Suspects have been waiting for long, so in their turn they would come first, and again and
    again as they end worker after worker. So after a claim of suspects one of others in the lane
    is due: neither keeps the other waiting for more than one claim. A worker that holds a claim
    gets none: if it died, nobody could tell which of the two was guilty.
    """
    first = _first(tx, wish, spaces, now)
    if first is not None:
        first = _overdue(tx, wish, spaces, now, first) or first
    if first is None or first.suspect_of is None:
        return first
    busy = tx.scalar(_HELD, {"holder": wish.lessee.worker}) is not None
    if not busy and tx.scalar(_LAST_CLOSED_BY) != "suspect":
        return first
    wanted = {"collections": list(spaces), "now": now}
    lanes = (0, wish.max_lane) if busy else (first.lane, first.lane)
    innocent = tx.execute(_INNOCENT, wanted | {"low": lanes[0], "high": lanes[1]}).one_or_none()
    return innocent if busy else innocent or first


def _overdue(
    tx: Connection, wish: Wish, spaces: Mapping[int, Space], now: float, first: AnyRow
) -> AnyRow | None:
    """Return the first revision of less urgent lanes if too many claims have passed them by.

    Else a steady stream of urgent documents that keeps all workers busy would let others wait for
    ever. It hardly waits for them: its documents go between two passes of their claim.
    """
    if first.lane >= wish.max_lane:
        return None
    recent = tx.execute(_RECENT).one()
    if recent.claims < _IN_A_ROW or recent.least_urgent > first.lane:
        return None
    wanted = {"collections": list(spaces), "now": now, "low": first.lane + 1, "high": wish.max_lane}
    return tx.execute(_OF_LANES, wanted).one_or_none()


def _fill(
    tx: Connection, wish: Wish, first: AnyRow, wanted: Mapping[str, object]
) -> tuple[list[AnyRow], str]:
    """Choose from *first* on until a budget is spent, passing over suspects."""
    chosen: list[AnyRow] = []
    characters = 0
    turn, after = first.turn, first.id - 1
    while True:
        page = tx.execute(_NEXT, {**wanted, "turn": turn, "after": after}).all()
        for row in page:
            if chosen and characters + row.characters > wish.max_characters:
                return chosen, "tokens"
            if len(chosen) >= max(wish.max_documents, 1):
                return chosen, "documents"
            chosen.append(row)
            characters += row.characters
        if len(page) < _PAGE:
            return chosen, "drained"
        turn, after = page[-1].turn, page[-1].id


def _fill_suspects(
    tx: Connection, wish: Wish, first: AnyRow, wanted: Mapping[str, object]
) -> tuple[list[AnyRow], str]:
    """Choose at most half of those that were together when their worker died."""
    most = max(min(first.suspects, wish.max_documents), 1)
    together = {**wanted, "claim": first.suspect_of, "most": most}
    chosen: list[AnyRow] = []
    characters = 0
    for row in tx.execute(_TOGETHER, together).all():
        characters += row.characters
        if chosen and characters > wish.max_characters:
            break
        chosen.append(row)
    return chosen, "suspect"


def _insert_claim(tx: Connection, lessee: Lessee, choice: _Choice, now: float) -> int:
    claim = {
        "worker": lessee.worker,
        "holder": lessee.worker,
        "fingerprint": choice.fingerprint,
        "lane": choice.rows[0].lane,
        "state": "active",
        "documents": len(choice.rows),
        "characters": sum(row.characters for row in choice.rows),
        "turn": choice.turn,
        "closed_by": choice.closed_by,
        "claimed_at": now,
        "lease_until": now + lessee.seconds,
    }
    return tx.execute(INSERT_CLAIM, claim).scalar_one()


_ELIGIBLE = (
    select(
        RevisionRow.id,
        RevisionRow.collection_id,
        RevisionRow.lane,
        RevisionRow.turn,
        RevisionRow.suspect_of,
        RevisionRow.suspects,
        RevisionRow.characters,
    )
    .where(
        RevisionRow.state == PENDING,
        RevisionRow.not_before <= bindparam("now"),
        RevisionRow.collection_id.in_(bindparam("collections", expanding=True)),
    )
    .order_by(RevisionRow.lane, RevisionRow.turn, RevisionRow.id)
    .with_for_update(skip_locked=True)
)
_FIRST = _ELIGIBLE.where(RevisionRow.lane <= bindparam("max_lane")).limit(1)
_OF_LANES = _ELIGIBLE.where(RevisionRow.lane.between(bindparam("low"), bindparam("high"))).limit(1)
_INNOCENT = _OF_LANES.where(RevisionRow.suspect_of.is_(None))
_turn: BindParameter[int] = bindparam("turn", type_=BigInteger())
_after: BindParameter[int] = bindparam("after", type_=BigInteger())
_OF_LANE = _ELIGIBLE.where(RevisionRow.lane == bindparam("lane"))
_NEXT = _OF_LANE.where(
    tuple_(RevisionRow.turn, RevisionRow.id) > tuple_(_turn, _after),
    RevisionRow.suspect_of.is_(None),
).limit(_PAGE)
_TOGETHER = _OF_LANE.where(RevisionRow.suspect_of == bindparam("claim")).limit(bindparam("most"))
_OF_JOB = (
    select(RevisionRow.id, RevisionRow.collection_id, RevisionRow.lane, RevisionRow.characters)
    .where(RevisionRow.job_id == bindparam("job"), RevisionRow.state == PENDING)
    .order_by(RevisionRow.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_LAST_CLOSED_BY = select(ClaimRow.closed_by).order_by(ClaimRow.id.desc()).limit(1)
_LAST_LANES = select(ClaimRow.lane).order_by(ClaimRow.id.desc()).limit(_IN_A_ROW).subquery()
_RECENT = select(
    func.count().label("claims"), func.max(_LAST_LANES.c.lane).label("least_urgent")
).select_from(_LAST_LANES)
_HELD = select(func.max(ClaimRow.id)).where(
    ClaimRow.worker == bindparam("holder"), ClaimRow.state == ACTIVE
)
INSERT_CLAIM = insert(ClaimRow).values(within=_HELD.scalar_subquery()).returning(ClaimRow.id)
_CLAIM = (
    update(RevisionRow)
    .where(RevisionRow.id.in_(bindparam("ids", expanding=True)))
    .values(
        state=CLAIMED,
        claim_id=bindparam("mine"),
        claimed_at=func.coalesce(RevisionRow.claimed_at, bindparam("now")),
    )
)
CLAIMED_REVISIONS = (
    select(
        RevisionRow.id,
        RevisionRow.collection_id,
        RevisionRow.document_id,
        RevisionRow.job_id,
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


def revision_of(row: AnyRow) -> Revision:
    """Return the revision of a row from `CLAIMED_REVISIONS`."""
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
        job_id=row.job_id,
    )
