"""One turn of an index worker for a rebuild: documents into the new space, or the swap.

A batch is kept in one transaction: its vectors are part of the new space, and its documents done,
or neither. Dying at any line leaves files that nothing names, and documents that are taken again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from shared.domain import (
    Attempt,
    Batch,
    Claim,
    ClaimRecord,
    Ids,
    Rendition,
    Segment,
    State,
    Undertaking,
)
from shared.failpoints import reach
from shared.indexing.bench import Bench
from shared.indexing.drafts import Draft, proposals_of
from shared.indexing.encoding import Encoding, timed
from shared.indexing.endings import carry_out
from shared.indexing.leases import Lease
from shared.measures.instruments import DOCUMENTS
from shared.rebuilding.swapping import swap

log = structlog.get_logger(__name__)

_SWAPPED = ClaimRecord(documents=0, chunks=0, passes=(), closed_by="swapped")


def rebuild_next(
    bench: Bench, rebuilds: Sequence[Undertaking], *, let_pass: Callable[[], None]
) -> ClaimRecord | None:
    """Take the first of *rebuilds* that there is something to do for one claim further.

    Those that hold other work back come first. None if there is nothing to do.

    Raises:
        Retryable: a fault that is no document's fault; the claim was given back.
    """
    known = {card.fingerprint for card in bench.encoders.cards()}
    for rebuild in sorted(rebuilds, key=lambda one: not one.held):
        if rebuild.space.fingerprint not in known:
            continue
        claim = bench.renditions.claim(
            rebuild.id,
            bench.worker,
            max_characters=bench.pace.characters,
            max_documents=bench.max_documents,
            lease_seconds=bench.lease_seconds,
        )
        if claim:
            return _carry_out(bench, rebuild, claim, let_pass)
        if bench.renditions.is_drained(rebuild.id) and swap(bench, rebuild):
            return _SWAPPED
    return None


def _carry_out(
    bench: Bench, rebuild: Undertaking, claim: Claim, let_pass: Callable[[], None]
) -> ClaimRecord:
    def work(lease: Lease) -> ClaimRecord:
        return _Turn(bench, rebuild, claim, Encoding(bench, claim, lease, let_pass)).run()

    return carry_out(bench, claim, work)


@dataclass(slots=True)
class _Turn:
    """One claim on its way into the new space."""

    bench: Bench
    rebuild: Undertaking
    claim: Claim
    encoding: Encoding

    def run(self) -> ClaimRecord:
        drafts = [Draft(revision, State.INDEXED) for revision in self.claim.revisions]
        with timed(self.bench, "encode"):
            self.encoding.fill(drafts)
        reach("index.encoded")
        self.encoding.lease.check()
        count = sum(len(draft.spans) for draft in drafts)
        attempt = self.bench.publications.register(
            self.rebuild.collection_id,
            vectors=count,
            claim_id=self.claim.id,
            worker=self.bench.worker,
        )
        reach("rebuild.registered")
        ids = np.arange(attempt.first_vector_id, attempt.first_vector_id + count, dtype=np.int64)
        segment = self._write(attempt, drafts, ids)
        renditions = _renditions(drafts, ids)
        with timed(self.bench, "publish"):
            self.bench.renditions.keep(
                Batch(
                    rebuild_id=self.rebuild.id,
                    attempt=attempt,
                    claim=self.claim,
                    renditions=renditions,
                    segment=segment,
                )
            )
        reach("rebuild.kept")
        self._report(renditions)
        return ClaimRecord(
            documents=len(drafts),
            chunks=count,
            passes=tuple(self.encoding.passes),
            closed_by=self.claim.closed_by,
        )

    def _write(self, attempt: Attempt, drafts: Sequence[Draft], ids: Ids) -> Segment | None:
        rows = [draft.vectors for draft in drafts if draft.vectors is not None and draft.spans]
        if not rows:
            return None
        with timed(self.bench, "write"):
            segment = self.bench.store.write_segment(
                attempt,
                space_id=self.rebuild.space.id,
                metric=self.rebuild.space.metric,
                ids=ids,
                vectors=np.concatenate(rows),
            )
        reach("rebuild.part_written")
        return segment

    def _report(self, renditions: Sequence[Rendition]) -> None:
        failed = sum(one.error is not None for one in renditions)
        self.bench.tally.add(DOCUMENTS, len(renditions) - failed, outcome="rebuilt")
        if failed:
            log.warning("rebuild_failures", rebuild=self.rebuild.id, documents=failed)


def _renditions(drafts: Sequence[Draft], ids: Ids) -> tuple[Rendition, ...]:
    """Return the drafts with their vector ids, in the order the segment was written."""
    return tuple(
        Rendition(
            revision_id=one.revision.id,
            chunks=one.chunks,
            warnings=one.warnings if one.error is None else (),
            error=one.error,
        )
        for one in proposals_of(drafts, ids)
    )
