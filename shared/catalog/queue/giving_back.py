"""How claims end, and how what they hold gets back into the queue."""

from sqlalchemy import Connection, case, literal, update

from shared.catalog.engine.clock import db_now
from shared.catalog.rebuilds import claims as rebuild_claims
from shared.catalog.tables import ACTIVE, CLAIMED, AttemptRow, ClaimRow, RevisionRow
from shared.domain import State


def end(tx: Connection, claim_id: int, state: str, **values: object) -> bool:
    """End the claim if it is active, and with it the attempts to publish it."""
    ended = tx.execute(
        update(ClaimRow)
        .where(ClaimRow.id == claim_id, ClaimRow.state == ACTIVE)
        .values(state=state, ended_at=db_now(), **values)
    ).rowcount
    if not ended:
        return False
    tx.execute(
        update(AttemptRow)
        .where(AttemptRow.claim_id == claim_id, AttemptRow.state == ACTIVE)
        .values(state="revoked", ended_at=db_now())
    )
    return True


def give_back(tx: Connection, claim_id: int, **values: object) -> None:
    """Put what the claim still holds back into its queue, suspects as suspects."""
    tx.execute(
        update(RevisionRow)
        .where(RevisionRow.claim_id == claim_id, RevisionRow.state == CLAIMED)
        .values(state=State.PENDING.value, claim_id=None, **values)
    )
    rebuild_claims.give_back(tx, claim_id)


def release(tx: Connection, claim_id: int, delay_seconds: float, reason: str) -> bool:
    """End the claim, if it is active, after a fault that is no document's fault."""
    if not end(tx, claim_id, "released", reason=reason):
        return False
    earliest = db_now() + literal(delay_seconds)
    rebuild_claims.give_back(tx, claim_id, not_before=earliest)
    held = case((RevisionRow.not_before > earliest, RevisionRow.not_before), else_=earliest)
    give_back(tx, claim_id, not_before=held, delayed_by=reason)
    return True
