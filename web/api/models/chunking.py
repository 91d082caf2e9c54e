"""How documents are cut into passages."""

from typing import Self

from pydantic import Field

from shared.domain import Chunking, ChunkingMode, EncoderCard
from web.api.models.base import Body, Shape


class ChunkingShape(Shape):
    """How documents are cut into passages."""

    mode: ChunkingMode
    """`passages` cuts at paragraphs and sentences; `none` cuts off what does not fit."""

    max_tokens: int | None
    """Tokens of a passage; null for as many as the encoder reads."""

    overlap_tokens: int
    """Tokens that a passage repeats of the one before."""

    @classmethod
    def of(cls, rule: Chunking) -> Self:
        """Return what the API shows of a rule."""
        return cls(mode=rule.mode, max_tokens=rule.max_tokens, overlap_tokens=rule.overlap_tokens)


class NewChunking(Body):
    """How documents shall be cut into passages."""

    mode: ChunkingMode = ChunkingMode.PASSAGES
    """`passages` cuts at paragraphs and sentences; `none` cuts off what does not fit."""

    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    """Tokens of a passage; by default as many as the encoder reads."""

    overlap_tokens: int | None = Field(default=None, ge=0, le=1_000_000)
    """Tokens that a passage repeats of the one before; by default 32, or a quarter if less."""

    def rule(self, card: EncoderCard) -> Chunking:
        """Return the rule for an encoder in the domain's words."""
        overlap = self.overlap_tokens
        if overlap is None:
            overlap = min(Chunking().overlap_tokens, (self.max_tokens or card.max_tokens) // 4)
        return Chunking(mode=self.mode, max_tokens=self.max_tokens, overlap_tokens=overlap)
