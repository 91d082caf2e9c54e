"""Publish documents that bring their vectors along, so that nothing is encoded.

They are accepted like any other, but held back from the workers; whoever holds their vectors
claims the job and publishes it. If that process dies, the hold or the lease runs out and workers
encode them: nothing is lost, and nothing is there twice.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from shared.domain import (
    ChunkSpan,
    Claim,
    ClaimRecord,
    Collection,
    Outcome,
    Revision,
    State,
    Submission,
    Vectors,
    VersionKind,
)
from shared.errors import Fenced, LaminaError
from shared.failpoints import reach
from shared.indexing.leases import Lease
from shared.indexing.publishing import Publication, publish
from shared.ports import Claims, Inbox, IndexStore, Publications, Records
from shared.upkeep.clockwatch import ClockWatch

_CLAIM_DOCUMENTS = 1000
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dock:
    """What delivering works with."""

    inbox: Inbox
    claims: Claims
    publications: Publications
    records: Records
    store: IndexStore
    worker: str
    lease_seconds: float
    max_crashes: int
    clock: ClockWatch
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Documents of one submission, and what they bring."""

    submission: Submission
    spans: Mapping[str, tuple[tuple[int, int, int], ...]]
    """start, end and tokens of each passage, by document id."""
    vectors: Mapping[str, Vectors]
    """`(passages, dimension)` float32 by document id, as the collection's metric compares them."""


def deliver(dock: Dock, collection: Collection, parcel: Parcel) -> Mapping[State, int]:
    """Accept *parcel* and publish it; return how many of its documents are in which state.

    A submission whose key was seen before goes on where it stopped. Documents that another
    process holds, a dead one perhaps, are waited for until its lease has run out.

    Raises:
        KeyReused, CollectionNotFound: refused; nothing was changed.
        Retryable: not now; run it again.
    """
    hold = 2 * dock.lease_seconds
    job_id = dock.inbox.accept(parcel.submission, hold_seconds=hold).job_id
    reach("import.accepted")
    deadline = time.monotonic() + hold
    while True:
        while claim := dock.claims.claim_job(
            job_id,
            dock.worker,
            max_documents=_CLAIM_DOCUMENTS,
            lease_seconds=dock.lease_seconds,
        ):
            _publish(dock, collection, parcel, claim)
        report = dock.records.job(job_id, issues=0)
        if report.finished or time.monotonic() > deadline:
            return {state: count for state, count in report.counts.items() if count}
        dock.clock.look()
        if dock.clock.steady_for(dock.lease_seconds):
            dock.claims.reap(max_crashes=dock.max_crashes)
        dock.sleep(_LOOK_SECONDS)


def _publish(dock: Dock, collection: Collection, parcel: Parcel, claim: Claim) -> None:
    """Take a claim to its end; what was taken away meanwhile is left to whoever has it."""
    try:
        with Lease(dock.claims, claim.id, dock.lease_seconds):
            chunks = _write(dock, collection, parcel, claim)
    except Fenced:
        return
    except (LaminaError, OSError) as error:
        dock.claims.release(claim.id, delay_seconds=0, reason=str(error))
        raise
    record = ClaimRecord(
        documents=len(claim.revisions), chunks=chunks, passes=(), closed_by=claim.closed_by
    )
    dock.claims.close(claim.id, record)


def _write(dock: Dock, collection: Collection, parcel: Parcel, claim: Claim) -> int:
    """Write the vectors of a claim and publish them; return how many."""
    newest = {one.external_id: one for one in claim.revisions}
    wanted = [one for one in claim.revisions if newest[one.external_id] is one]
    count = sum(len(parcel.spans[one.external_id]) for one in wanted)
    attempt = dock.publications.register(
        collection.id, vectors=count, claim_id=claim.id, worker=dock.worker
    )
    ids = np.arange(attempt.first_vector_id, attempt.first_vector_id + count, dtype=np.int64)
    segment = None
    if count:
        segment = dock.store.write_segment(
            attempt,
            space_id=collection.space.id,
            metric=collection.space.metric,
            ids=ids,
            vectors=np.concatenate([parcel.vectors[one.external_id] for one in wanted]),
        )
    reach("import.segment_written")
    unused = iter(ids)

    def outcome(revision: Revision) -> Outcome:
        if newest[revision.external_id] is not revision:
            return Outcome(revision=revision, state=State.SUPERSEDED)
        chunks = tuple(
            ChunkSpan(vector_id=int(next(unused)), start=start, end=end, tokens=tokens)
            for start, end, tokens in parcel.spans[revision.external_id]
        )
        return Outcome(revision=revision, state=State.INDEXED, chunks=chunks)

    publish(
        dock.publications,
        dock.store,
        Publication(
            attempt=attempt,
            collection=collection,
            kind=VersionKind.COMMIT,
            claim_id=claim.id,
            proposals=tuple(outcome(revision) for revision in claim.revisions),
            segment=segment,
        ),
    )
    return count
