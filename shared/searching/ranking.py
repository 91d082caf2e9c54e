"""Documents by their best passages, a page at a time.

The whole ranking of a question at a version is: the documents of the passages that the first page
asked the index for, in that order, then all others as an exact scan orders them. A layout may find
other passages when it is asked for more, and so a later page asks for just as many again, and for
the rest exactly. Pages therefore never repeat or skip a document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.domain import Vectors
from shared.ports import Matching, Snapshot

_OVERFETCH = 3
"""Passages asked for per hit at first; a document may own several of the best."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document found."""

    document_id: int
    vector_id: int
    """Of its best passage."""
    score: float


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a ranking."""

    documents: Sequence[Ranked]
    depth: int
    """Passages that the first page asked for."""
    more: bool
    """Whether there may be documents after these."""


@dataclass(slots=True, kw_only=True)
class Ranking:
    """One question against one snapshot."""

    matching: Matching
    snapshot: Snapshot
    query: Vectors
    """`(1, dimension)`."""
    exact: bool = False
    min_score: float | None = None
    without: int | None = None
    """A document to leave out."""
    scores: Vectors = field(default_factory=lambda: np.empty(0, dtype=np.float32), init=False)
    """Of the passages that the index found last, best first."""
    _owners: dict[int, int] = field(default_factory=dict, init=False)

    def first(self, k: int) -> Page:
        """Return the best *k* documents.

        Asks for more passages until k documents are found or none are left.
        """
        found, depth, ended = self._look(k, exact=self.exact)
        return Page(found[:k], depth, more=len(found) > k or not ended)

    def later(self, depth: int, offset: int, k: int) -> Page:
        """Return *k* documents after the first *offset*; *depth* is that of the first page."""
        depth = min(depth, self.snapshot.live)
        begun, ended = self._documents(depth, exact=self.exact) if depth else ([], True)
        if len(begun) < offset + k and not ended:
            seen = {one.document_id for one in begun}
            exactly, _, ended = self._look(offset + k + 1, exact=True)
            begun = [*begun, *(one for one in exactly if one.document_id not in seen)]
        more = len(begun) > offset + k or not ended
        return Page(begun[offset : offset + k], depth, more=more)

    def _look(self, k: int, *, exact: bool) -> tuple[list[Ranked], int, bool]:
        """Return at least *k* documents, how many passages that took, and whether it is all."""
        live = self.snapshot.live
        wanted = min(k * _OVERFETCH, live)
        while live:
            found, ended = self._documents(wanted, exact=exact)
            if len(found) >= k or ended:
                return found, wanted, ended
            wanted = min(wanted * 4, live)
        return [], 0, True

    def _documents(self, passages: int, *, exact: bool) -> tuple[list[Ranked], bool]:
        """Return the documents of the best *passages*, and whether these are all there are."""
        scores, ids = self.snapshot.search(self.query, passages, exact=exact)
        self.scores = scores[0]
        good = self._good(self.scores)
        asked = ids[0, :good].tolist()
        owners = self._owners_of(asked)
        best: dict[int, Ranked] = {}
        for vector_id, score in zip(asked, self.scores.tolist(), strict=False):
            # One without an owner was purged since this snapshot was opened.
            owner = owners.get(vector_id)
            if owner is not None and owner != self.without:
                best.setdefault(owner, Ranked(owner, vector_id, score))
        ended = passages >= self.snapshot.live or good < len(self.scores)
        return list(best.values()), ended

    def _good(self, scores: Vectors) -> int:
        """Return how many of *scores*, best first, are not worse than the least asked for."""
        if self.min_score is None:
            return len(scores)
        higher = self.snapshot.manifest.metric.higher_is_better
        return int(np.count_nonzero(good_enough(scores, self.min_score, higher=higher)))

    def _owners_of(self, vector_ids: Sequence[int]) -> Mapping[int, int]:
        unknown = [one for one in vector_ids if one not in self._owners]
        self._owners |= self.matching.owners(unknown)
        return self._owners


def good_enough(scores: Vectors, least: float, *, higher: bool) -> NDArray[np.bool_]:
    """Return which *scores* are not worse than *least*."""
    return scores >= least if higher else scores <= least
