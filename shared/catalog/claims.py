"""The queue: revisions are taken from it under a lease, and given back."""

from collections.abc import Sequence

from sqlalchemy import Connection, case, insert, literal, select, update

from shared.catalog.claiming import Lessee, Wish, take, take_job
from shared.catalog.clock import db_now
from shared.catalog.database import Database
from shared.catalog.tables import ACTIVE, CLAIMED, AttemptRow, ClaimRow, PassRow, RevisionRow
from shared.domain import Claim, ClaimRecord, State
from shared.errors import Fenced


class SqlClaims:
    """The port `Claims` in SQL.

    Whoever ends a claim locks its row first, then its attempts, then its revisions; a commit
    does so in the same order, so that they wait for, and never deadlock with, each other.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self,
        worker: str,
        *,
        fingerprints: Sequence[str],
        max_lane: int,
        max_characters: int,
        max_documents: int,
        lease_seconds: float,
    ) -> Claim | None:
        """Take pending revisions of one encoder and one lane, oldest first; None if none."""
        wish = Wish(
            lessee=Lessee(worker, lease_seconds),
            fingerprints=tuple(fingerprints),
            max_lane=max_lane,
            max_characters=max_characters,
            max_documents=max_documents,
        )
        return self._database.run(lambda tx: take(tx, wish))

    def claim_job(
        self, job_id: str, worker: str, *, max_documents: int, lease_seconds: float
    ) -> Claim | None:
        """Take pending revisions of one job, held or not, oldest first; None if there are none."""
        return self._database.run(
            lambda tx: take_job(tx, job_id, Lessee(worker, lease_seconds), max_documents)
        )

    def renew(self, claim_id: int, lease_seconds: float) -> None:
        """Extend the lease by the catalog's clock; `Fenced` if the claim is not active."""
        extend = (
            update(ClaimRow)
            .where(ClaimRow.id == claim_id, ClaimRow.state == ACTIVE)
            .values(lease_until=db_now() + literal(lease_seconds))
        )
        if not self._database.run(lambda tx: tx.execute(extend).rowcount):
            raise Fenced(f"Claim {claim_id} was taken away.")

    def close(self, claim_id: int, record: ClaimRecord) -> None:
        """End an active claim and store its record; revisions still claimed go back."""

        def work(tx: Connection) -> None:
            numbers = {
                "documents": record.documents,
                "chunks": record.chunks,
                "closed_by": record.closed_by,
                "tokens": record.tokens,
                "padded_tokens": sum(one.padded_tokens for one in record.passes),
                "seconds": sum(one.seconds for one in record.passes),
            }
            if end(tx, claim_id, "closed", **numbers):
                give_back(tx, claim_id)
                _insert_passes(tx, claim_id, record)

        self._database.run(work)

    def release(self, claim_id: int, *, delay_seconds: float, reason: str) -> None:
        """Give an unfinished claim back after a fault that is no document's fault."""

        def work(tx: Connection) -> None:
            if end(tx, claim_id, "released", reason=reason):
                earliest = db_now() + literal(delay_seconds)
                held = case(
                    (RevisionRow.not_before > earliest, RevisionRow.not_before), else_=earliest
                )
                give_back(tx, claim_id, not_before=held)

        self._database.run(work)

    def reap(self, *, worker: str | None = None, max_crashes: int) -> int:
        """Revoke active claims whose lease ran out, or all of *worker*'s; return how many."""
        lost = select(ClaimRow.id, ClaimRow.documents).where(ClaimRow.state == ACTIVE)
        lost = lost.order_by(ClaimRow.id)
        if worker is None:
            # A claim that is locked is being committed or renewed, so its worker lives.
            lost = lost.where(ClaimRow.lease_until < db_now())
            lost = lost.with_for_update(skip_locked=True)
        else:
            lost = lost.where(ClaimRow.worker == worker).with_for_update()

        def work(tx: Connection) -> int:
            claims = tx.execute(lost).all()
            for claim_id, documents in claims:
                _revoke(tx, claim_id, alone=documents == 1, max_crashes=max_crashes)
            return len(claims)

        return self._database.run(work)


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
    """Put what the claim still holds back into the queue."""
    tx.execute(
        update(RevisionRow)
        .where(RevisionRow.claim_id == claim_id, RevisionRow.state == CLAIMED)
        .values(state=State.PENDING.value, claim_id=None, **values)
    )


def _insert_passes(tx: Connection, claim_id: int, record: ClaimRecord) -> None:
    rows = [
        {
            "claim_id": claim_id,
            "ordinal": ordinal,
            "rows": one.rows,
            "tokens": one.tokens,
            "padded_tokens": one.padded_tokens,
            "seconds": one.seconds,
        }
        for ordinal, one in enumerate(record.passes)
    ]
    if rows:
        tx.execute(insert(PassRow), rows)


def _revoke(tx: Connection, claim_id: int, *, alone: bool, max_crashes: int) -> None:
    end(tx, claim_id, "revoked")
    crashed = {"crashes": RevisionRow.crashes + 1}
    if alone:
        # Only a document that was alone is surely the one that ended its worker.
        crashed["solo_crashes"] = RevisionRow.solo_crashes + 1
        tx.execute(
            update(RevisionRow)
            .where(
                RevisionRow.claim_id == claim_id,
                RevisionRow.state == CLAIMED,
                RevisionRow.solo_crashes + 1 >= max_crashes,
            )
            .values(
                state=State.FAILED.value,
                error=f"Its worker died {max_crashes} times while it held this document alone.",
                **crashed,
            )
        )
    give_back(tx, claim_id, **crashed)
