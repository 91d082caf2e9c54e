"""Claim what waits, encode it, publish it: one turn of an index worker.

Nothing is locked while encoding. A document that cannot be encoded fails alone; one that may have
made the memory run out is accused, as if its worker had died of it; a fault that is no document's
fault gives the claim back. Between two passes the worker looks for work of a more urgent lane and
does it first. Rebuilds come after all else, but not never.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import structlog

from shared import tracing
from shared.domain import (
    Claim,
    ClaimRecord,
    Collection,
    Head,
    Lane,
    Outcome,
    Revision,
    RevisionKind,
    State,
    TracedJob,
    VersionKind,
)
from shared.errors import OutOfSpace, Retryable
from shared.failpoints import reach
from shared.indexing.bench import Bench, give_back_owed
from shared.indexing.drafts import Draft, is_same, proposals_of
from shared.indexing.encoding import Encoding, timed
from shared.indexing.endings import carry_out
from shared.indexing.leases import Lease
from shared.indexing.publishing import Publication, check_space, publish, read_manifest
from shared.measures.instruments import DOCUMENTS
from shared.rebuilding.turns import rebuild_next

_log = structlog.get_logger(__name__)


def index_next(bench: Bench, *, max_lane: Lane = Lane.REBUILD) -> ClaimRecord | None:
    """Take one claim of lanes up to *max_lane* to its end; None when nothing waits.

    Raises:
        OutOfSpace: too little disk is left; nothing was claimed.
        Retryable: a fault that is no document's fault; the claim was given back.
    """
    give_back_owed(bench)
    bench.room.check()
    if max_lane is not Lane.REBUILD:
        return _claim_next(bench, max_lane)
    rebuilds = bench.renditions.running()
    record = None
    if rebuilds and (any(one.held for one in rebuilds) or bench.renditions.overdue()):
        record = rebuild_next(bench, rebuilds, let_pass=partial(_let_pass, bench))
    record = record or _claim_next(bench, max_lane)
    if record is None and rebuilds:
        record = rebuild_next(bench, rebuilds, let_pass=partial(_let_pass, bench))
    return record


def _claim_next(bench: Bench, max_lane: Lane) -> ClaimRecord | None:
    claim = bench.claims.claim(
        bench.worker,
        fingerprints=[card.fingerprint for card in bench.encoders.cards()],
        max_lane=max_lane,
        max_characters=bench.pace.characters,
        max_documents=bench.max_documents,
        lease_seconds=bench.lease_seconds,
    )
    return index_claim(bench, claim) if claim else None


def index_claim(bench: Bench, claim: Claim) -> ClaimRecord:
    """Take *claim* to its end.

    Raises:
        Retryable: a fault that is no document's fault, and the claim was given back; or memory
            ran out, and its documents are suspects now.
    """

    def work(lease: Lease) -> ClaimRecord:
        return _Turn(bench, claim, Encoding(bench, claim, lease, partial(_let_pass, bench))).run()

    return carry_out(bench, claim, work)


def _let_pass(bench: Bench) -> None:
    try:
        # One claim, which may be all that waits: were it every one, a steady stream of them
        # would hold this claim up for ever, and its heartbeat would keep others from it.
        if bench.room.fits():
            index_next(bench, max_lane=Lane.INTERACTIVE)
    except (Retryable, OutOfSpace) as error:
        # It was given back by itself, and is no reason to give this one back too.
        _log.warning("urgent_work_delayed", error=str(error))


@dataclass(slots=True)
class _Turn:
    """One claim on its way from text to a version."""

    bench: Bench
    claim: Claim
    encoding: Encoding
    origins: Mapping[str, TracedJob] = field(default_factory=dict)
    """Where its traced jobs come from."""

    def run(self) -> ClaimRecord:
        if tracing.is_on():
            self.origins = self.bench.claims.origins(self.claim.id)
            tracing.link(one.traceparent for one in self.origins.values())
        by_collection: dict[int, list[Revision]] = {}
        for revision in self.claim.revisions:
            by_collection.setdefault(revision.collection_id, []).append(revision)
        with timed(self.bench, "plan"):
            drafts = {
                collection_id: self._plan(self._collection(collection_id), revisions)
                for collection_id, revisions in by_collection.items()
            }
        with timed(self.bench, "encode"):
            self._encode([draft for group in drafts.values() for draft in group])
        reach("index.encoded")
        for collection_id, group in drafts.items():
            self._publish(self._collection(collection_id), group)
        return ClaimRecord(
            documents=len(self.claim.revisions),
            chunks=sum(len(draft.spans) for group in drafts.values() for draft in group),
            passes=tuple(self.encoding.passes),
            closed_by=self.claim.closed_by,
        )

    def _collection(self, collection_id: int) -> Collection:
        """Return a collection of the claim, in the space that its documents are encoded for."""
        space = self.claim.spaces[collection_id]
        return replace(self.bench.collections.by_id(collection_id), space=space)

    def _plan(self, collection: Collection, revisions: Sequence[Revision]) -> list[Draft]:
        """Decide for each revision whether to encode, copy, delete or leave alone.

        Read without a lock, so only a plan: publishing decides again against the head it meets.
        """
        head, live = self.bench.publications.base(
            collection.id, sorted({revision.document_id for revision in revisions})
        )
        newest = {revision.document_id: revision.id for revision in revisions}
        drafts = []
        for revision in revisions:
            draft = Draft(revision, State.INDEXED)
            drafts.append(draft)
            twin = live.get(revision.document_id)
            if newest[revision.document_id] != revision.id:
                draft.state = State.SUPERSEDED
            elif revision.kind is RevisionKind.DELETE:
                continue
            elif is_same(twin, revision):
                draft.state = State.UNCHANGED
            elif twin and twin.chunks and twin.text_sha256 == revision.text_sha256:
                ids = np.array([chunk.vector_id for chunk in twin.chunks], dtype=np.int64)
                manifest = read_manifest(self.bench.store, head, collection)
                check_space(manifest, collection)
                draft.vectors = self.bench.store.vectors(manifest, ids)
                draft.spans = tuple((one.start, one.end, one.tokens) for one in twin.chunks)
                draft.warnings = twin.warnings
        return drafts

    def _encode(self, drafts: Sequence[Draft]) -> None:
        """Fill in the vectors of every draft that has none yet."""
        wanted = [
            draft
            for draft in drafts
            if draft.state is State.INDEXED
            and draft.revision.kind is RevisionKind.PUT
            and draft.vectors is None
        ]
        self.encoding.fill(wanted)

    def _publish(self, collection: Collection, drafts: Sequence[Draft]) -> None:
        self.encoding.lease.check()
        count = sum(len(draft.spans) for draft in drafts)
        attempt = self.bench.publications.register(
            collection.id, vectors=count, claim_id=self.claim.id, worker=self.bench.worker
        )
        reach("publish.registered")
        ids = np.arange(attempt.first_vector_id, attempt.first_vector_id + count, dtype=np.int64)
        rows = [draft.vectors for draft in drafts if draft.vectors is not None and draft.spans]
        segment = None
        if rows:
            with timed(self.bench, "write"):
                segment = self.bench.store.write_segment(
                    attempt,
                    space_id=collection.space.id,
                    metric=collection.space.metric,
                    ids=ids,
                    vectors=np.concatenate(rows),
                )
            reach("publish.segment_written")
        publication = Publication(
            attempt=attempt,
            collection=collection,
            kind=VersionKind.COMMIT,
            claim_id=self.claim.id,
            proposals=proposals_of(drafts, ids),
            segment=segment,
        )
        with timed(self.bench, "publish"):
            head, outcomes = publish(self.bench.publications, self.bench.store, publication)
        self._report(collection, head, outcomes)

    def _report(self, collection: Collection, head: Head, outcomes: Sequence[Outcome]) -> None:
        """Say and count what became of the claim's documents in one collection."""
        ended = Counter(one.state.value for one in outcomes if one.state is not State.PENDING)
        for outcome, count in ended.items():
            self.bench.tally.add(DOCUMENTS, count, outcome=outcome)
        jobs = dict.fromkeys(one.revision.job_id for one in outcomes)
        _log.info(
            "published", collection=collection.name, version=head.version, jobs=list(jobs), **ended
        )
        for origin in (self.origins[job] for job in jobs if job in self.origins):
            tracing.tell(
                "searchable",
                origin.traceparent,
                began=origin.accepted_at,
                collection=collection.name,
                version=head.version,
                claim=self.claim.id,
            )
