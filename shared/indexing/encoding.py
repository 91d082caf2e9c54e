"""Cut and encode the documents of a claim: nothing is locked, and each fails alone.

Between two passes the worker looks for work of a more urgent lane, which goes first.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared import tracing
from shared.domain import Claim, Lane, PassRecord
from shared.errors import Retryable, UnencodableDocument
from shared.indexing.bench import Bench
from shared.indexing.drafts import Draft
from shared.indexing.leases import Lease
from shared.indexing.vectors import prepare, storable
from shared.measures.instruments import INDEX_STAGE
from shared.ports import Encoder

_SUSPECT = "suspect"


class OutOfMemory(Exception):
    """Memory ran out while documents were encoded, perhaps because of one of them."""


@dataclass(slots=True)
class Encoding:
    """The encoding of one claim under way."""

    bench: Bench
    claim: Claim
    lease: Lease
    let_pass: Callable[[], None]
    """Does urgent work that waits, if there is any."""
    passes: list[PassRecord] = field(default_factory=list)

    def fill(self, drafts: Sequence[Draft]) -> None:
        """Give each draft its spans and vectors, or the reason why it has none.

        Raises:
            Fenced: the claim was taken away.
            OutOfMemory: perhaps because of one of them.
            Retryable: the process shall end.
        """
        if not drafts:
            return
        started = time.perf_counter()
        space = self.claim.spaces[drafts[0].revision.collection_id]
        encoder = self.bench.encoders.load(space.fingerprint)
        try:
            for draft in drafts:
                self.check()
                self._chunk(encoder, draft)
            self._encode_or_bisect(encoder, [one for one in drafts if one.chunked])
        except MemoryError as error:
            raise OutOfMemory(str(error) or "MemoryError") from error
        characters = sum(len(one.revision.title) + len(one.revision.text) for one in drafts)
        self.bench.pace.learn(characters, time.perf_counter() - started)

    def check(self) -> None:
        """Stop if the claim is lost or the process shall end."""
        self.lease.check()
        if self.bench.stopping():
            raise Retryable("The worker is stopping.")

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

    def _between(self) -> None:
        """Between two passes: stop if need be, and let urgent work pass."""
        with self.bench.attention.off():
            self.check()
            urgent = self.claim.revisions[0].lane is Lane.INTERACTIVE
            # A suspect stays alone: were it to end this process, whatever was in between would be
            # suspected, and itself not be charged.
            if not urgent and self.claim.closed_by != _SUSPECT:
                self.let_pass()
                self.lease.check()


@contextmanager
def timed(bench: Bench, stage: str) -> Iterator[None]:
    """Measure a stage that goes well."""
    started = time.perf_counter()
    with tracing.stage(stage):
        yield
    bench.tally.observe(INDEX_STAGE, time.perf_counter() - started, stage=stage)
