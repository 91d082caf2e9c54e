"""An approximate layer: a segment whose layout finds most of the best vectors quickly."""

import math

import numpy as np

from shared.domain import Ids, Vectors
from shared.index import ann, codec, flat, layouts
from shared.index.flat import Layer
from shared.index.segments import OpenSegment

_LARGE_SHARE = 4
"""One in so many live vectors wanted as candidates: looking at all is then no slower."""

_SPARE = 2
"""How many times as many are asked for as should do, if the chosen ones lie evenly."""


class ApproximateLayer:
    """A laid out segment and which of its positions are live. Safe for many threads."""

    def __init__(
        self, opened: OpenSegment, exact: Layer, selection: codec.Selection | None
    ) -> None:
        if opened.ann is None or opened.card.layout is None:
            raise ValueError(f"{opened.key} has no layout but flat.")
        self.exact = exact
        """The layer that looks at every vector."""
        self._index = opened.ann
        self._layout = opened.card.layout.to_domain()
        self._metric = opened.card.metric
        self._ids = opened.ids
        self._codes = opened.codes  # mapped now: the file may be collected before it is needed
        self._selection = selection
        self._owner = opened  # holds what the index only points to
        self._most = ann.most_effort(self._index, self._layout.policy)
        self._crowding = len(opened.ids) / exact.live

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Return FAISS's scores and the ids of min(k, live) vectors, as good as the layout is.

        Scores are those of a flat scan. Where too few come back, because deleted vectors are in
        the way, it looks harder, and in the end at every vector. So it does from the start
        where *k* is large, or larger than what the layout was tuned for.
        """
        wanted = min(k, self.exact.live)
        count = wanted * self._layout.depth
        effort = layouts.effort_for(self._layout, wanted)
        if effort is None or _LARGE_SHARE * count > self.exact.live:
            return self.exact.search(queries, k)
        effort = round(effort * self._crowding)
        while effort <= self._most:
            scores, found = self._ask(queries, count, effort)
            if (found[:, wanted - 1] >= 0).all():  # what is missing is at the end
                return self._best(queries, scores, found, wanted)
            effort = effort * 2 if effort < self._most else self._most + 1
        return self.exact.search(queries, k)

    def _ask(self, queries: Vectors, count: int, effort: int) -> tuple[Vectors, ann.Found]:
        selector = self._selection.selector if self._selection else None
        policy = self._layout.policy
        return ann.ask(self._index, policy, queries, count, effort=effort, selector=selector)

    def _best(
        self, queries: Vectors, scores: Vectors, found: ann.Found, wanted: int
    ) -> tuple[Vectors, Ids]:
        """Cut candidates, of which at least *wanted* are there, by the scores of a flat scan."""
        if self._layout.policy not in ann.RESCORED:
            return scores[:, :wanted], self._ids[found[:, :wanted]]
        scores, ids = flat.empty(len(queries), wanted)
        for number, candidates in enumerate(found):
            there = candidates[candidates >= 0]
            best, places = ann.rescored(
                queries[number : number + 1], self._codes[there], self._metric
            )
            scores[number], ids[number] = best[:wanted], self._ids[there[places[:wanted]]]
        return scores, ids


class ChosenLayer:
    """Some of the live vectors of a laid out segment. Safe for many threads.

    It asks for more than is wanted and leaves out what is not chosen. To let the layout pass over
    the others itself would be quicker, but where what is chosen lies far from the query a graph
    ends its walk before it gets there: recall fell to 0.6 with half of the vectors chosen
    (`tests/benchmarks/filters.py`).
    """

    def __init__(self, whole: ApproximateLayer, exact: Layer, ids: Ids) -> None:
        """Search *whole* for the *ids*, rising; *exact* looks at each of these."""
        self.exact = exact
        self._whole = whole
        self._ids = ids

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Return FAISS's scores and the ids of at least min(k, chosen) vectors.

        As good as the layout is at finding as many more as are left out; where these are not
        enough, because the neighbours of a query are not chosen, it looks at every chosen one.
        """
        wanted = min(k, self.exact.live)
        more = math.ceil(_SPARE * wanted * self._whole.exact.live / self.exact.live)
        scores, ids = self._whole.search(queries, more)
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        chosen = self._ids[places] == ids
        if (np.count_nonzero(chosen, axis=1) < wanted).any():
            return self.exact.search(queries, k)
        best = np.argsort(~chosen, axis=1, kind="stable")[:, :wanted]
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(ids, best, axis=1)
