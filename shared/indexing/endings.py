"""Take a claim to its end, whichever way it ends."""

from collections.abc import Callable

import structlog

from shared import tracing
from shared.domain import Claim, ClaimRecord
from shared.errors import Fenced, LaminaError, Retryable, SpaceChanged
from shared.failpoints import reach
from shared.indexing.bench import Bench, accuse, close, give_back, give_back_at_once
from shared.indexing.encoding import OutOfMemory
from shared.indexing.leases import Lease
from shared.measures.instruments import (
    CLAIM_DOCUMENTS,
    CLAIMS,
    PADDED_TOKENS,
    PASS_PASSAGES,
    PASS_SECONDS,
    TOKENS,
)
from shared.measures.tally import Tally


def carry_out(bench: Bench, claim: Claim, work: Callable[[Lease], ClaimRecord]) -> ClaimRecord:
    """Do *work* under *claim*, and end the claim as the work ended.

    Raises:
        Retryable: a fault that is no document's fault, and the claim was given back; or memory
            ran out, and its documents are suspects now.
    """
    documents = len(claim.revisions)
    with (
        structlog.contextvars.bound_contextvars(claim=claim.id),
        tracing.stage("index", claim=claim.id, documents=documents, closed_by=claim.closed_by),
    ):
        return _carry_out(bench, claim, work)


def _carry_out(bench: Bench, claim: Claim, work: Callable[[Lease], ClaimRecord]) -> ClaimRecord:
    reach("index.claimed")
    bench.pace.backlog = claim.more
    try:
        with Lease(bench.claims, claim.id, bench.lease_seconds) as lease:
            record = work(lease)
    except Fenced:
        # The claim was taken away: whoever took it answers for its documents.
        bench.tally.add(CLAIMS, ending="fenced")
        return ClaimRecord(documents=0, chunks=0, passes=(), closed_by="fenced")
    except SpaceChanged as error:
        # What was encoded is of no use; whoever comes next encodes it for the new space.
        bench.tally.add(CLAIMS, ending="given_back")
        give_back_at_once(bench, claim, str(error))
        return ClaimRecord(documents=0, chunks=0, passes=(), closed_by="space")
    except OutOfMemory as error:
        bench.tally.add(CLAIMS, ending="accused")
        accuse(bench, claim, str(error))
        raise Retryable(f"Memory ran out in claim {claim.id}: {error}") from error
    except (LaminaError, OSError, MemoryError) as error:
        bench.tally.add(CLAIMS, ending="given_back")
        give_back(bench, claim, str(error))
        if isinstance(error, Retryable):
            raise
        raise Retryable(f"Claim {claim.id} was given back: {error}") from error
    count_record(bench.tally, record)
    close(bench, claim, record)
    return record


def count_record(tally: Tally, record: ClaimRecord) -> None:
    """Measure a claim that went well."""
    tally.add(CLAIMS, ending="closed")
    tally.observe(CLAIM_DOCUMENTS, record.documents)
    for one in record.passes:
        tally.add(TOKENS, one.tokens)
        tally.add(PADDED_TOKENS, one.padded_tokens)
        tally.observe(PASS_PASSAGES, one.rows)
        tally.observe(PASS_SECONDS, one.seconds)
