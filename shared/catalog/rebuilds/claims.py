"""Claims of rebuilds: which documents they take, and what becomes of those they do not finish.

The queue of a rebuild is fed from what is live, some at a time, by whoever finds it empty. What
is published meanwhile has higher ids as a rule, so it is fed later; what is not is found before
the swap, which looks at everything.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)

from shared.catalog.collections.collections import SPACE_COLUMNS, space_of
from shared.catalog.collections.naming import IS_THERE
from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.queue.claiming import CLAIMED_REVISIONS, INSERT_CLAIM, revision_of
from shared.catalog.tables import (
    CLAIMED,
    PENDING,
    CollectionRow,
    LivenessRow,
    RebuildRow,
    RenditionRow,
    RevisionRow,
    SpaceRow,
)
from shared.domain import Claim, Lane, RevisionKind

_PAGE = 32
"""Revisions that are locked at once."""
_FED = 2_000
"""Revisions that are put into the queue at once."""


def take(
    tx: Connection,
    rebuild_id: str,
    worker: str,
    *,
    max_characters: int,
    max_documents: int,
    lease_seconds: float,
) -> Claim | None:
    """Claim live revisions that the new space does not have; None if there are none."""
    rebuild = tx.execute(_RUNNING, {"id": rebuild_id}).one_or_none()
    if rebuild is None:
        return None
    now = read_clock(tx)
    limits = {"characters": max_characters, "documents": max(max_documents, 1)}
    rows, closed_by = _innocent(tx, rebuild, now, limits)
    while not rows and _feed(tx, rebuild):
        rebuild = tx.execute(_RUNNING, {"id": rebuild_id}).one()
        rows, closed_by = _innocent(tx, rebuild, now, limits)
    if not rows:
        rows, closed_by = _suspects(tx, rebuild, now, limits), "suspect"
    if not rows:
        return None
    ids = sorted(row.revision_id for row in rows)
    claim = {
        "worker": worker,
        "holder": worker,
        "fingerprint": rebuild.fingerprint,
        "lane": Lane.REBUILD.value,
        "state": "active",
        "documents": len(rows),
        "characters": sum(row.characters for row in rows),
        "turn": None,
        "closed_by": closed_by,
        "claimed_at": now,
        "lease_until": now + lease_seconds,
    }
    claim_id = tx.execute(INSERT_CLAIM, claim).scalar_one()
    for page in pages(ids):
        tx.execute(_CLAIM, {"space": rebuild.space_id, "ids": page, "mine": claim_id})
    found = [row for page in pages(ids) for row in tx.execute(CLAIMED_REVISIONS, {"ids": page})]
    return Claim(
        id=claim_id,
        revisions=tuple(replace(revision_of(row), lane=Lane.REBUILD) for row in found),
        spaces={rebuild.collection_id: space_of(rebuild)},
        more=closed_by != "drained",
        closed_by=closed_by,
    )


def give_back(tx: Connection, claim_id: int, **values: object) -> None:
    """Put what the claim still holds back into its queue, suspects as suspects."""
    tx.execute(
        update(RenditionRow)
        .where(RenditionRow.claim_id == claim_id, RenditionRow.state == CLAIMED)
        .values(state="pending", claim_id=None, **values)
    )


def held_by(tx: Connection, claim_id: int) -> list[AnyRow]:
    """Return what the claim holds and did not finish, with `solo_crashes`."""
    held = select(RenditionRow.space_id, RenditionRow.revision_id, RenditionRow.solo_crashes)
    mine = held.where(RenditionRow.claim_id == claim_id, RenditionRow.state == CLAIMED)
    return list(tx.execute(mine))


def fail(tx: Connection, claim_id: int, error: str, solo_crashes: int) -> None:
    """Give up what the claim holds."""
    tx.execute(
        update(RenditionRow)
        .where(RenditionRow.claim_id == claim_id, RenditionRow.state == CLAIMED)
        .values(state="failed", error=error, solo_crashes=solo_crashes)
    )


def _innocent(
    tx: Connection, rebuild: AnyRow, now: float, limits: Mapping[str, int]
) -> tuple[list[AnyRow], str]:
    """Choose by age until a budget is spent; drop what is not live any more."""
    chosen: list[AnyRow] = []
    characters = after = 0
    while True:
        wanted = {"space": rebuild.space_id, "now": now, "after": after}
        page = tx.execute(_NEXT, wanted).all()
        _drop(tx, rebuild.space_id, [row.revision_id for row in page if not row.live])
        for row in page:
            if not row.live:
                continue
            if chosen and characters + row.characters > limits["characters"]:
                return chosen, "tokens"
            if len(chosen) >= limits["documents"]:
                return chosen, "documents"
            chosen.append(row)
            characters += row.characters
        if len(page) < _PAGE:
            return chosen, "drained"
        after = page[-1].revision_id


def _suspects(
    tx: Connection, rebuild: AnyRow, now: float, limits: Mapping[str, int]
) -> list[AnyRow]:
    """Choose at most half of those that were together when their worker died."""
    wanted: dict[str, Any] = {"space": rebuild.space_id, "now": now}
    first = tx.execute(_FIRST_SUSPECT, wanted).one_or_none()
    if first is None:
        return []
    wanted |= {"claim": first.suspect_of, "most": max(min(first.suspects, limits["documents"]), 1)}
    rows = tx.execute(_TOGETHER, wanted).all()
    _drop(tx, rebuild.space_id, [row.revision_id for row in rows if not row.live])
    return [row for row in rows if row.live]


def _drop(tx: Connection, space_id: int, revision_ids: list[int]) -> None:
    if revision_ids:
        tx.execute(_DROP, {"space": space_id, "ids": revision_ids})


def _feed(tx: Connection, rebuild: AnyRow) -> bool:
    """Put the next live revisions into the queue; whether there were any."""
    wanted = {
        "collection": rebuild.collection_id,
        "place": rebuild.place,
        "space": rebuild.space_id,
    }
    ids = tx.scalars(_LIVE_BEYOND, wanted).all()
    if not ids:
        if not rebuild.place:  # all was looked at: once is enough
            newest = tx.scalar(_NEWEST) or 0
            tx.execute(_MOVE_PLACE, {"rebuild": rebuild.id, "to": newest})
        return False
    new = insert_new(tx.dialect.name, RenditionRow).on_conflict_do_nothing()
    fresh = {"space_id": rebuild.space_id, "state": "pending", "not_before": 0.0, "solo_crashes": 0}
    tx.execute(new, [{"revision_id": one, **fresh} for one in ids])
    tx.execute(_MOVE_PLACE, {"rebuild": rebuild.id, "to": ids[-1]})
    return True


IS_LIVE = (
    select(LivenessRow.revision_id)
    .where(
        LivenessRow.revision_id == RenditionRow.revision_id,
        LivenessRow.to_version.is_(None),
        LivenessRow.kind == RevisionKind.PUT.value,
    )
    .exists()
)
"""Of a rendition: the head holds its revision."""
RUNNING = text("rebuilds.state = 'running'")  # word by word as its index says
_RUNNING = (
    select(RebuildRow.id, RebuildRow.collection_id, RebuildRow.place, *SPACE_COLUMNS)
    .join(SpaceRow, SpaceRow.id == RebuildRow.space_id)
    .join(CollectionRow, CollectionRow.id == RebuildRow.collection_id)
    .where(RebuildRow.id == bindparam("id"), RUNNING, IS_THERE)
)
_WAITING = (
    select(
        RenditionRow.revision_id,
        RenditionRow.suspect_of,
        RenditionRow.suspects,
        RevisionRow.characters,
        IS_LIVE.label("live"),
    )
    .join(RevisionRow, RevisionRow.id == RenditionRow.revision_id)
    .where(
        RenditionRow.space_id == bindparam("space"),
        RenditionRow.state == PENDING,
        RenditionRow.not_before <= bindparam("now"),
    )
    .order_by(RenditionRow.revision_id)
    .with_for_update(of=RenditionRow, skip_locked=True)
)
_after: BindParameter[int] = bindparam("after", type_=BigInteger())
_NEXT = _WAITING.where(RenditionRow.suspect_of.is_(None), RenditionRow.revision_id > _after).limit(
    _PAGE
)
_FIRST_SUSPECT = _WAITING.where(RenditionRow.suspect_of.is_not(None)).limit(1)
_TOGETHER = _WAITING.where(RenditionRow.suspect_of == bindparam("claim")).limit(bindparam("most"))
_ids: BindParameter[int] = bindparam("ids", expanding=True)
_CLAIM = (
    update(RenditionRow)
    .where(RenditionRow.space_id == bindparam("space"), RenditionRow.revision_id.in_(_ids))
    .values(state="claimed", claim_id=bindparam("mine"))
)
_DROP = delete(RenditionRow).where(
    RenditionRow.space_id == bindparam("space"), RenditionRow.revision_id.in_(_ids)
)
_place: BindParameter[int] = bindparam("place", type_=BigInteger())
_LIVE_BEYOND = (
    select(LivenessRow.revision_id)
    .where(
        LivenessRow.revision_id > _place,
        LivenessRow.collection_id == bindparam("collection"),
        LivenessRow.to_version.is_(None),
        LivenessRow.kind == RevisionKind.PUT.value,
        ~select(RenditionRow.revision_id)
        .where(
            RenditionRow.revision_id == LivenessRow.revision_id,
            RenditionRow.space_id == bindparam("space"),
        )
        .exists(),
    )
    .order_by(LivenessRow.revision_id)
    .limit(_FED)
)
_NEWEST = select(func.max(RevisionRow.id))
_MOVE_PLACE = (
    update(RebuildRow)
    .where(RebuildRow.id == bindparam("rebuild"), RebuildRow.place < bindparam("to"))
    .values(place=bindparam("to"))
)
