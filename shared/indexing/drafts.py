"""What is to become of each revision of a claim, before it is published."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain import (
    Chunked,
    ChunkSpan,
    Ids,
    LiveRevision,
    Outcome,
    Passage,
    Revision,
    RevisionKind,
    State,
    Vectors,
)


@dataclass(slots=True)
class Draft:
    """What is to become of one revision, as far as it is known."""

    revision: Revision
    state: State
    chunked: Chunked | None = None
    spans: tuple[tuple[int, int, int], ...] = ()
    """start, end and tokens of each vector."""
    vectors: Vectors | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None

    @property
    def passages(self) -> tuple[Passage, ...]:
        """What the encoder is to read; nothing before it is cut."""
        return self.chunked.passages if self.chunked else ()

    def fail(self, reason: str) -> None:
        """Give the revision up."""
        self.state, self.error, self.spans, self.vectors = State.FAILED, reason, (), None


def is_same(twin: LiveRevision | None, revision: Revision) -> bool:
    """Whether what is live has the same content already."""
    return (
        twin is not None
        and twin.kind is RevisionKind.PUT
        and twin.content_sha256 == revision.content_sha256
    )


def proposals_of(drafts: Sequence[Draft], ids: Ids) -> tuple[Outcome, ...]:
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
