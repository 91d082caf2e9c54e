"""The queue: revisions are taken from it under a lease, and given back."""

import json
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, insert, literal, select, update

from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.inbox import cancelling
from shared.catalog.queue import giving_back
from shared.catalog.queue.blaming import Charge, revoke, was_alone
from shared.catalog.queue.claiming import Lessee, Wish, take, take_job
from shared.catalog.tables import ACTIVE, ClaimRow, JobRow, PassRow, RevisionRow
from shared.domain import Claim, ClaimRecord, State, TracedJob
from shared.errors import CommitUnknown, Fenced
from shared.tracing import TRACEPARENT, is_traceparent


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
        """Take pending revisions of one encoder and one lane in their turn; None if none."""
        wish = Wish(
            lessee=Lessee(worker, lease_seconds),
            fingerprints=tuple(fingerprints),
            max_lane=max_lane,
            max_characters=max_characters,
            max_documents=max_documents,
        )
        return self._take(lambda tx: take(tx, wish))

    def claim_job(
        self, job_id: str, worker: str, *, max_documents: int, lease_seconds: float
    ) -> Claim | None:
        """Take pending revisions of one job, held or not, oldest first; None if there are none."""
        return self._take(
            lambda tx: take_job(tx, job_id, Lessee(worker, lease_seconds), max_documents)
        )

    def origins(self, claim_id: int) -> Mapping[str, TracedJob]:
        """Return, by job in the claim, where those come from that belong to a trace."""
        jobs = (
            select(JobRow.id, JobRow.extra, JobRow.accepted_at)
            .join(RevisionRow, RevisionRow.job_id == JobRow.id)
            .where(
                RevisionRow.claim_id == claim_id,
                RevisionRow.state == State.CLAIMED.value,
                JobRow.extra.is_not(None),
            )
            .distinct()
        )
        with self._database.read() as tx:
            rows = tx.execute(jobs).all()
        extras = ((row, json.loads(row.extra).get(TRACEPARENT)) for row in rows)
        return {
            row.id: TracedJob(carried, row.accepted_at)
            for row, carried in extras
            if is_traceparent(carried)
        }

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
            if giving_back.end(tx, claim_id, "closed", **numbers):
                giving_back.give_back(tx, claim_id)
                _insert_passes(tx, claim_id, record)

        self._database.run(work)

    def release(self, claim_id: int, *, delay_seconds: float, reason: str) -> None:
        """Give an unfinished claim back after a fault that is no document's fault."""
        self._database.run(lambda tx: giving_back.release(tx, claim_id, delay_seconds, reason))

    def give_up(self, worker: str, *, delay_seconds: float, reason: str) -> int:
        """Release every active claim of a worker that must stop now; return how many."""
        mine = _ACTIVE.where(ClaimRow.worker == worker).with_for_update()

        def work(tx: Connection) -> int:
            claims = tx.execute(mine).all()
            return sum(giving_back.release(tx, one.id, delay_seconds, reason) for one in claims)

        return self._database.run(work)

    def reap(self, *, worker: str | None = None, max_crashes: int) -> int:
        """Revoke active claims whose lease ran out, or all of *worker*'s; return how many."""
        if worker is None:
            # A claim that is locked is being committed or renewed, so its worker lives.
            lost = _ACTIVE.where(ClaimRow.lease_until < db_now()).with_for_update(skip_locked=True)
        else:
            lost = _ACTIVE.where(ClaimRow.worker == worker).with_for_update()
        ending = "let its lease run out" if worker is None else "died"

        def work(tx: Connection) -> int:
            claims = tx.execute(lost).all()
            # All are judged before the first is taken away: two of them may be of one worker.
            judged = [(one, was_alone(tx, one)) for one in claims]
            for one, alone in judged:
                reason = f"Its worker, {one.worker}, {ending}."
                charge = Charge(reason=reason, verdict=_died, max_crashes=max_crashes)
                revoke(tx, one.id, charge, alone=alone)
            return len(claims)

        return self._database.run(work)

    def accuse(self, claim_id: int, *, reason: str, max_crashes: int) -> None:
        """Take an active claim from a worker that lives, but could not bear what it holds."""

        def verdict(times: int) -> str:
            return (
                f"Its worker could not bear it {_times(times)} while it held this document alone. "
                f"The last time: {reason}"
            )

        charge = Charge(reason=reason, verdict=verdict, max_crashes=max_crashes)
        wanted = _ACTIVE.where(ClaimRow.id == claim_id).with_for_update()

        def work(tx: Connection) -> None:
            if claim := tx.execute(wanted).one_or_none():
                revoke(tx, claim_id, charge, alone=was_alone(tx, claim))

        self._database.run(work)

    def cancel(self, job_id: str) -> int:
        """Cancel what no worker holds of a job; return how many documents.

        Raises:
            JobNotFound: there is none.
        """
        return self._database.run(lambda tx: cancelling.cancel(tx, job_id))

    def _take(self, work: Callable[[Connection], Claim | None]) -> Claim | None:
        """Take a claim; if the reply to its COMMIT is lost, find out whether it happened.

        Else nobody would work under it until its lease ran out, and its documents would be
        accused of having ended their worker.
        """
        taken: list[Claim | None] = []

        def remember(tx: Connection) -> Claim | None:
            taken.append(work(tx))
            return taken[-1]

        try:
            return self._database.run(remember)
        except CommitUnknown:
            claim = taken[-1]
            if claim is None or self._is_active(claim.id):
                return claim
            raise

    def _is_active(self, claim_id: int) -> bool:
        found = select(ClaimRow.id).where(ClaimRow.id == claim_id, ClaimRow.state == ACTIVE)
        with self._database.read() as tx:
            return tx.scalar(found) is not None


_ACTIVE = (
    select(ClaimRow.id, ClaimRow.worker, ClaimRow.documents, ClaimRow.within)
    .where(ClaimRow.state == ACTIVE)
    .order_by(ClaimRow.id)
)


def _died(times: int) -> str:
    return f"Its worker died {_times(times)} while it held this document alone."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


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
