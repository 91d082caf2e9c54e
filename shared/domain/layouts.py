"""How the vectors of a segment are laid out for search, and the rule that decides it."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


class Policy(StrEnum):
    """A way to search a segment. Every segment keeps its fp16 vectors beside it."""

    AUTO = "auto"
    """Lamina chooses among the others, by size, memory limit and measured recall."""
    FLAT = "flat"
    """Look at every vector: exact."""
    HNSW = "hnsw"
    """A graph over the vectors: fastest, most memory."""
    IVF = "ivf"
    """Inverted lists: looks at the vectors of the closest lists."""
    IVFPQ = "ivfpq"
    """Inverted lists of product-quantized codes, re-scored: least memory."""
    SQ8 = "sq8"
    """Look at every vector in 8 bits a dimension, then re-score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRule:
    """What a collection wants of its index; may change at any time without encoding anew."""

    policy: Policy = Policy.AUTO
    recall_target: float = 0.95
    """Share of the exact best 10 that a search must find, 0.5 to 0.999."""
    memory_limit_bytes: int | None = None
    """What a whole collection's search structures may hold in memory; None for no limit."""

    def share(self, live: int, total: int) -> Self:
        """Return the rule for a segment that holds *live* of the collection's *total* vectors.

        It may use as large a part of the memory.
        """
        if self.memory_limit_bytes is None:
            return self
        return replace(self, memory_limit_bytes=self.memory_limit_bytes * live // max(total, 1))


DEFAULT_INDEX_RULE = IndexRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one segment was laid out: the choice, how it was tuned, and what was measured."""

    policy: Policy
    """Never AUTO."""
    rule: IndexRule
    """What was asked for, with the segment's share of the memory; another rule of the collection
    means laying it out anew."""
    spec: str
    """FAISS's factory name."""
    effort: tuple[tuple[int, int], ...] = ()
    """(k, efSearch or nprobe) that reached the target for the best k, by rising k."""
    depth: int = 1
    """Candidates re-scored on the fp16 vectors for each hit asked for."""
    recall: float | None = None
    """Measured recall@10 against the exact answer, on sampled vectors; None where exact."""
    memory_bytes: int = 0
    """What searching touches all the time."""
    refused: tuple[str, ...] = ()
    """Policies tried that missed the target, as `hnsw 0.91`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRecall:
    """How sampled live queries compared with the exact answer lately."""

    queries: int
    recall: float
    """Mean share of the exact best k that was found, 0 to 1."""
    worst: float
