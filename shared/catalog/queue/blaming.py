"""Who is to blame for the end of a worker: its documents are tried again in halves, then alone.

A document that ends every worker that takes it (a crash in native code, memory, a hang) cannot be
told from those that were in its claim. So all of them become suspects, and the next claim of them
takes at most half as many: of 512 documents a guilty one is alone after nine more deaths, and its
neighbours are found innocent, half of them at a time, as soon as a claim without it passes. Only
a document that was surely alone is charged with a death; it fails when it has been charged often
enough, since even then it may have been the machine.

Suspicion ends with the revision: a claim that goes well finishes what it encoded. What it gives
back, it did not try, so that stays a suspect.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.events.telling import failure, finished, tell
from shared.catalog.queue.giving_back import end, give_back
from shared.catalog.rebuilds import claims as rebuild_claims
from shared.catalog.tables import CLAIMED, ClaimRow, DocumentRow, RevisionRow
from shared.domain import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is said against the documents of a claim."""

    reason: str
    """Why it ended, for whoever asks why they wait."""
    verdict: Callable[[int], str]
    """Returns why a document fails that was alone so many times."""
    max_crashes: int
    """How many times are enough."""


def was_alone(tx: Connection, claim: AnyRow) -> bool:
    """Whether the claim had one document, and its worker nothing else at hand.

    A worker may take an urgent claim between two passes of a large one. If it dies then, none of
    the two tells whose fault it was.
    """
    if claim.documents != 1 or claim.within is not None:
        return False
    inner = select(ClaimRow.id).where(
        ClaimRow.id > claim.id,
        ClaimRow.within == claim.id,
        ClaimRow.state.in_(("active", "revoked")),
    )
    return tx.scalar(inner.limit(1)) is None


def revoke(tx: Connection, claim_id: int, charge: Charge, *, alone: bool) -> None:
    """Take an active claim away and make suspects of what it still held."""
    end(tx, claim_id, "revoked", reason=charge.reason)
    _blame_rebuilt(tx, claim_id, charge, alone=alone)
    held = tx.execute(
        select(RevisionRow.id, RevisionRow.solo_crashes).where(
            RevisionRow.claim_id == claim_id, RevisionRow.state == CLAIMED
        )
    ).all()
    crashed: dict[str, object] = {"crashes": RevisionRow.crashes + 1}
    if alone and len(held) == 1:
        times = held[0].solo_crashes + 1
        crashed["solo_crashes"] = times
        if times >= charge.max_crashes:
            _fail(tx, held[0].id, charge.verdict(times), crashed)
            _tell(tx, held[0].id)
            return
    give_back(
        tx,
        claim_id,
        suspect_of=claim_id,
        suspects=(len(held) + 1) // 2,
        delayed_by=charge.reason,
        **crashed,
    )


def _blame_rebuilt(tx: Connection, claim_id: int, charge: Charge, *, alone: bool) -> None:
    """Make suspects of what the claim held for a rebuild, if it was one of those."""
    held = rebuild_claims.held_by(tx, claim_id)
    if not held:
        return
    times = held[0].solo_crashes + 1 if alone and len(held) == 1 else 0
    if times >= charge.max_crashes:
        rebuild_claims.fail(tx, claim_id, charge.verdict(times), times)
        return
    crashed = {"solo_crashes": times} if times else {}
    group = {"suspect_of": claim_id, "suspects": (len(held) + 1) // 2}
    rebuild_claims.give_back(tx, claim_id, **group, **crashed)


def _tell(tx: Connection, revision_id: int) -> None:
    row = tx.execute(_FAILED, {"id": revision_id}).one()
    told = failure(row.collection_id, row.external_id, row.job_id, row.error)
    tell(tx, [told, *finished(tx, [row.job_id])])


_FAILED = (
    select(
        RevisionRow.collection_id, RevisionRow.job_id, RevisionRow.error, DocumentRow.external_id
    )
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .where(RevisionRow.id == bindparam("id"))
)


def _fail(tx: Connection, revision_id: int, error: str, crashed: dict[str, object]) -> None:
    tx.execute(
        update(RevisionRow)
        .where(RevisionRow.id == revision_id, RevisionRow.state == CLAIMED)
        .values(state=State.FAILED.value, error=error, **crashed)
    )
