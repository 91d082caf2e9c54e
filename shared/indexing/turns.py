"""Claim what waits, encode it, publish it: one turn of an index worker.

Nothing is locked while encoding. A document that cannot be encoded fails alone; one that may have
made the memory run out is accused, as if its worker had died of it; a fault that is no document's
fault gives the claim back. Between two passes the worker looks for work of a more urgent lane and
does it first.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import structlog

from shared.domain import (
    Claim,
    ClaimRecord,
    Collection,
    Head,
    Lane,
    Outcome,
    PassRecord,
    Revision,
    RevisionKind,
    State,
    VersionKind,
)
from shared.errors import Fenced, LaminaError, OutOfSpace, Retryable, UnencodableDocument
from shared.failpoints import reach
from shared.indexing.bench import Bench, accuse, close, give_back, give_back_owed
from shared.indexing.drafts import Draft, is_same, proposals_of
from shared.indexing.leases import Lease
from shared.indexing.publishing import Publication, publish, read_manifest
from shared.indexing.vectors import prepare, storable
from shared.measures.instruments import (
    CLAIM_DOCUMENTS,
    CLAIMS,
    DOCUMENTS,
    INDEX_STAGE,
    PADDED_TOKENS,
    PASS_PASSAGES,
    PASS_SECONDS,
    TOKENS,
)
from shared.measures.tally import Tally
from shared.ports import Encoder

_SUSPECT = "suspect"

_log = structlog.get_logger(__name__)


class _OutOfMemory(Exception):
    """Memory ran out while documents were encoded, perhaps because of one of them."""


def index_next(bench: Bench, *, max_lane: Lane = Lane.REBUILD) -> ClaimRecord | None:
    """Take one claim of lanes up to *max_lane* to its end; None when nothing waits.

    Raises:
        OutOfSpace: too little disk is left; nothing was claimed.
        Retryable: a fault that is no document's fault; the claim was given back.
    """
    give_back_owed(bench)
    bench.room.check()
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
    with structlog.contextvars.bound_contextvars(claim=claim.id):
        return _index(bench, claim)


def _index(bench: Bench, claim: Claim) -> ClaimRecord:
    reach("index.claimed")
    bench.pace.backlog = claim.more
    try:
        with Lease(bench.claims, claim.id, bench.lease_seconds) as lease:
            record = _Turn(bench, claim, lease).run()
    except Fenced:
        # The claim was taken away: whoever took it answers for its documents.
        bench.tally.add(CLAIMS, ending="fenced")
        return ClaimRecord(documents=0, chunks=0, passes=(), closed_by="fenced")
    except _OutOfMemory as error:
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


@dataclass(slots=True)
class _Turn:
    """One claim on its way from text to a version."""

    bench: Bench
    claim: Claim
    lease: Lease
    passes: list[PassRecord] = field(default_factory=list)

    def run(self) -> ClaimRecord:
        by_collection: dict[int, list[Revision]] = {}
        for revision in self.claim.revisions:
            by_collection.setdefault(revision.collection_id, []).append(revision)
        with self._timed("plan"):
            drafts = {
                collection_id: self._plan(self.bench.collections.by_id(collection_id), revisions)
                for collection_id, revisions in by_collection.items()
            }
        with self._timed("encode"):
            self._encode([draft for group in drafts.values() for draft in group])
        reach("index.encoded")
        for collection_id, group in drafts.items():
            self._publish(self.bench.collections.by_id(collection_id), group)
        return ClaimRecord(
            documents=len(self.claim.revisions),
            chunks=sum(len(draft.spans) for group in drafts.values() for draft in group),
            passes=tuple(self.passes),
            closed_by=self.claim.closed_by,
        )

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
        if not wanted:
            return
        started = time.perf_counter()
        space = self.claim.spaces[wanted[0].revision.collection_id]
        encoder = self.bench.encoders.load(space.fingerprint)
        try:
            for draft in wanted:
                self._check()
                self._chunk(encoder, draft)
            self._encode_or_bisect(encoder, [one for one in wanted if one.chunked])
        except MemoryError as error:
            raise _OutOfMemory(str(error) or "MemoryError") from error
        characters = sum(len(one.revision.title) + len(one.revision.text) for one in wanted)
        self.bench.pace.learn(characters, time.perf_counter() - started)

    def _chunk(self, encoder: Encoder, draft: Draft) -> None:
        revision = draft.revision
        rule = self.claim.spaces[revision.collection_id].chunking
        try:
            with self.bench.attention.on(self.claim.id, "cutting a document"):
                draft.chunked = encoder.chunk(revision.title, revision.text, rule)
        except UnencodableDocument as error:
            draft.fail(str(error))
        else:
            draft.warnings = draft.chunked.warnings

    def _encode_or_bisect(self, encoder: Encoder, drafts: Sequence[Draft]) -> None:
        """Encode together; if that fails, in halves, until the guilty document is alone."""
        if not drafts:
            return
        passages = [one for draft in drafts for one in draft.passages]
        try:
            with self.bench.attention.on(self.claim.id, "encoding a pass"):
                vectors, passes = encoder.encode(passages, between=self._between)
        except UnencodableDocument as error:
            if len(drafts) == 1:
                drafts[0].fail(str(error))
                return
            middle = len(drafts) // 2
            self._encode_or_bisect(encoder, drafts[:middle])
            self._encode_or_bisect(encoder, drafts[middle:])
            return
        self.passes.extend(passes)
        start = 0
        for draft in drafts:
            own = draft.passages
            metric = self.claim.spaces[draft.revision.collection_id].metric
            draft.vectors = prepare(vectors[start : start + len(own)], metric)
            draft.spans = tuple((one.start, one.end, one.tokens) for one in own)
            start += len(own)
            if not storable(draft.vectors):
                draft.fail("Its vector has values that 16-bit floats cannot hold.")

    def _check(self) -> None:
        """Stop if the claim is lost or the process shall end."""
        self.lease.check()
        if self.bench.stopping():
            raise Retryable("The worker is stopping.")

    def _between(self) -> None:
        """Between two passes: stop if need be, and let urgent work pass."""
        with self.bench.attention.off():
            self._check()
            urgent = self.claim.revisions[0].lane is Lane.INTERACTIVE
            # A suspect stays alone: were it to end this process, whatever was in between would be
            # suspected, and itself not be charged.
            if not urgent and self.claim.closed_by != _SUSPECT:
                self._let_pass()

    def _let_pass(self) -> None:
        try:
            # One claim, which may be all that waits: were it every one, a steady stream of them
            # would hold this claim up for ever, and its heartbeat would keep others from it.
            if self.bench.room.fits() and index_next(self.bench, max_lane=Lane.INTERACTIVE):
                self.lease.check()
        except (Retryable, OutOfSpace) as error:
            # It was given back by itself, and is no reason to give this one back too.
            _log.warning("urgent_work_delayed", error=str(error))

    def _publish(self, collection: Collection, drafts: Sequence[Draft]) -> None:
        self.lease.check()
        count = sum(len(draft.spans) for draft in drafts)
        attempt = self.bench.publications.register(
            collection.id, vectors=count, claim_id=self.claim.id, worker=self.bench.worker
        )
        reach("publish.registered")
        ids = np.arange(attempt.first_vector_id, attempt.first_vector_id + count, dtype=np.int64)
        rows = [draft.vectors for draft in drafts if draft.vectors is not None and draft.spans]
        segment = None
        if rows:
            with self._timed("write"):
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
        with self._timed("publish"):
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

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Measure a stage that goes well."""
        started = time.perf_counter()
        yield
        self.bench.tally.observe(INDEX_STAGE, time.perf_counter() - started, stage=stage)
