"""Claim what waits, encode it, publish it: one turn of an index worker.

Nothing is locked while encoding. A document that cannot be encoded fails alone; a fault that is
no document's fault gives the claim back. Between two passes the worker looks for work of a more
urgent lane and does it first.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.domain import (
    Chunked,
    ChunkSpan,
    Claim,
    ClaimRecord,
    Collection,
    Ids,
    Lane,
    LiveRevision,
    Outcome,
    Passage,
    PassRecord,
    Revision,
    RevisionKind,
    State,
    Vectors,
    VersionKind,
)
from shared.errors import Fenced, LaminaError, Retryable, UnencodableDocument
from shared.failpoints import reach
from shared.indexing.leases import Lease
from shared.indexing.pace import Pace
from shared.indexing.publishing import Publication, publish, read_manifest
from shared.indexing.vectors import prepare, storable
from shared.ports import Claims, Collections, Encoder, Encoders, IndexStore, Publications
from shared.upkeep.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What an index worker works with."""

    claims: Claims
    publications: Publications
    collections: Collections
    store: IndexStore
    encoders: Encoders
    room: Room
    worker: str
    pace: Pace
    lease_seconds: float
    max_documents: int
    retry_seconds: float = 2.0
    stopping: Callable[[], bool] = lambda: False
    """Whether this process shall end: what is not encoded yet is given back between passes."""


def index_next(bench: Bench, *, max_lane: Lane = Lane.REBUILD) -> ClaimRecord | None:
    """Take one claim of lanes up to *max_lane* to its end; None when nothing waits.

    Raises:
        OutOfSpace: too little disk is left; nothing was claimed.
        Retryable: a fault that is no document's fault; the claim was given back.
    """
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
        Retryable: a fault that is no document's fault; the claim was given back.
    """
    reach("index.claimed")
    bench.pace.backlog = claim.more
    try:
        with Lease(bench.claims, claim.id, bench.lease_seconds) as lease:
            record = _Turn(bench, claim, lease).run()
    except Fenced:
        # The claim was taken away: whoever took it answers for its documents.
        return ClaimRecord(documents=0, chunks=0, passes=(), closed_by="fenced")
    except (LaminaError, OSError, MemoryError) as error:
        bench.claims.release(claim.id, delay_seconds=bench.retry_seconds, reason=str(error))
        if isinstance(error, Retryable):
            raise
        raise Retryable(f"Claim {claim.id} was given back: {error}") from error
    bench.claims.close(claim.id, record)
    return record


@dataclass(slots=True)
class _Draft:
    """What is to become of one revision, as far as it is known."""

    revision: Revision
    state: State
    chunked: Chunked | None = None
    spans: tuple[tuple[int, int, int], ...] = ()
    """start, end and tokens of each vector."""
    vectors: Vectors | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None

    def fail(self, reason: str) -> None:
        self.state, self.error, self.spans, self.vectors = State.FAILED, reason, (), None


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
        drafts = {
            collection_id: self._plan(self.bench.collections.by_id(collection_id), revisions)
            for collection_id, revisions in by_collection.items()
        }
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

    def _plan(self, collection: Collection, revisions: Sequence[Revision]) -> list[_Draft]:
        """Decide for each revision whether to encode, copy, delete or leave alone.

        Read without a lock, so only a plan: publishing decides again against the head it meets.
        """
        head, live = self.bench.publications.base(
            collection.id, sorted({revision.document_id for revision in revisions})
        )
        newest = {revision.document_id: revision.id for revision in revisions}
        drafts = []
        for revision in revisions:
            draft = _Draft(revision, State.INDEXED)
            drafts.append(draft)
            twin = live.get(revision.document_id)
            if newest[revision.document_id] != revision.id:
                draft.state = State.SUPERSEDED
            elif revision.kind is RevisionKind.DELETE:
                continue
            elif _same(twin, revision):
                draft.state = State.UNCHANGED
            elif twin and twin.chunks and twin.text_sha256 == revision.text_sha256:
                ids = np.array([chunk.vector_id for chunk in twin.chunks], dtype=np.int64)
                manifest = read_manifest(self.bench.store, head, collection)
                draft.vectors = self.bench.store.vectors(manifest, ids)
                draft.spans = tuple((one.start, one.end, one.tokens) for one in twin.chunks)
                draft.warnings = twin.warnings
        return drafts

    def _encode(self, drafts: Sequence[_Draft]) -> None:
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
        for draft in wanted:
            revision = draft.revision
            rule = self.claim.spaces[revision.collection_id].chunking
            draft.chunked = encoder.chunk(revision.title, revision.text, rule)
            draft.warnings = draft.chunked.warnings
        self._encode_or_bisect(encoder, wanted)
        characters = sum(len(one.revision.title) + len(one.revision.text) for one in wanted)
        self.bench.pace.learn(characters, time.perf_counter() - started)

    def _encode_or_bisect(self, encoder: Encoder, drafts: Sequence[_Draft]) -> None:
        """Encode together; if that fails, in halves, until the guilty document is alone."""
        passages = [one for draft in drafts for one in _passages(draft)]
        try:
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
            own = _passages(draft)
            metric = self.claim.spaces[draft.revision.collection_id].metric
            draft.vectors = prepare(vectors[start : start + len(own)], metric)
            draft.spans = tuple((one.start, one.end, one.tokens) for one in own)
            start += len(own)
            if not storable(draft.vectors):
                draft.fail("Its vector has values that 16-bit floats cannot hold.")

    def _between(self) -> None:
        """Stop if the claim is lost or the process shall end; let urgent work pass."""
        self.lease.check()
        if self.bench.stopping():
            raise Retryable("The worker is stopping.")
        if self.claim.revisions[0].lane is Lane.INTERACTIVE:
            return
        while self.bench.room.fits() and index_next(self.bench, max_lane=Lane.INTERACTIVE):
            self.lease.check()

    def _publish(self, collection: Collection, drafts: Sequence[_Draft]) -> None:
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
            segment = self.bench.store.write_segment(
                attempt,
                space_id=collection.space.id,
                metric=collection.space.metric,
                ids=ids,
                vectors=np.concatenate(rows),
            )
            reach("publish.segment_written")
        publish(
            self.bench.publications,
            self.bench.store,
            Publication(
                attempt=attempt,
                collection=collection,
                kind=VersionKind.COMMIT,
                claim_id=self.claim.id,
                proposals=_proposals(drafts, ids),
                segment=segment,
            ),
        )


def _same(twin: LiveRevision | None, revision: Revision) -> bool:
    return (
        twin is not None
        and twin.kind is RevisionKind.PUT
        and twin.content_sha256 == revision.content_sha256
    )


def _passages(draft: _Draft) -> tuple[Passage, ...]:
    return draft.chunked.passages if draft.chunked else ()


def _proposals(drafts: Sequence[_Draft], ids: Ids) -> tuple[Outcome, ...]:
    """Give each draft its vector ids, in the order the segment was written."""
    proposals = []
    start = 0
    for draft in drafts:
        chunks = tuple(
            ChunkSpan(vector_id=int(ids[start + place]), start=first, end=end, tokens=tokens)
            for place, (first, end, tokens) in enumerate(draft.spans)
        )
        start += len(chunks)
        proposals.append(
            Outcome(
                revision=draft.revision,
                state=draft.state,
                chunks=chunks,
                error=draft.error,
                warnings=draft.warnings,
            )
        )
    return tuple(proposals)
