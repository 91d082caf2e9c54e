"""Layers: what one FAISS scan searches. A large segment is one; all tiny ones are one."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from shared.domain import Ids, Positions, Vectors
from shared.index import codec
from shared.index.segments import OpenSegment

TINY = 256
"""Segments with fewer live vectors are copied together: a scan has about 20 µs of overhead."""


GROUP = 1024
"""Rows of tiny segments that are copied together; a publish copies only the last group anew."""


class Part:
    """A segment and which of its positions are dead at a version. Never changes."""

    def __init__(self, opened: OpenSegment, dead: Positions) -> None:
        self.opened = opened
        self.dead = dead
        self.live = opened.card.rows - len(dead)

    @property
    def live_ids(self) -> Ids:
        """Ids of the live vectors, rising."""
        return np.delete(self.opened.ids, self.dead) if len(self.dead) else self.opened.ids

    @property
    def live_codes(self) -> codec.Codes:
        """The live vectors at rest, in the order of `live_ids`."""
        codes = self.opened.codes
        return np.delete(codes, self.dead, axis=0) if len(self.dead) else codes

    @cached_property
    def layer(self) -> "Layer":
        """The part, mapped, ready for search."""
        return Layer(self.opened.index, self.opened.ids, dead=self.dead, owner=self.opened)


class Layer:
    """An index, the ids of its positions, and which positions are live. Safe for many threads."""

    def __init__(
        self, index: codec.FaissIndex, ids: Ids, *, dead: Positions, owner: object
    ) -> None:
        self._index = index
        self._ids = ids
        self._owner = owner  # holds what the index only points to
        self.live = len(ids) - len(dead)
        self._selection = None
        if len(dead):
            alive = np.ones(len(ids), dtype=bool)
            alive[dead] = False
            self._selection = codec.Selection(alive)

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Return FAISS's scores and the ids of at least the best min(k, live) vectors.

        The answer of each query holds every vector that scores better than the last one's
        score, and, where vectors tie there, so many that the lowest ids are among them.
        """
        parameters = self._selection.parameters if self._selection else None
        count = min(k + 1, self.live)
        while True:
            scores, positions = self._index.search(queries, count, params=parameters)
            # FAISS cuts ties as they come: look on until something worse was seen
            if count == self.live or (scores[:, k - 1] != scores[:, -1]).all():
                return scores, self._ids[positions]
            count = min(4 * count, self.live)


def live_ids(parts: Iterable[Part]) -> Ids:
    """Return the ids of all live vectors of *parts*, rising."""
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *(p.live_ids for p in parts)]))


def group(tiny: Iterable[Part]) -> list[tuple[Part, ...]]:
    """Divide tiny segments into groups whose borders deletes and appends do not move."""
    groups: list[tuple[Part, ...]] = []
    room = 0
    for part in tiny:
        rows = part.opened.card.rows
        if not groups or rows > room:
            groups.append(())
            room = GROUP
        groups[-1] = (*groups[-1], part)
        room -= rows
    return groups


def coalesce(parts: Sequence[Part]) -> Layer:
    """Return one layer with a copy of the live vectors of *parts* (at least one).

    The copy keeps the codes, so scores are the same to the last bit.
    """
    codes = np.concatenate([part.live_codes for part in parts])
    ids = np.concatenate([part.live_ids for part in parts])
    nothing = np.empty(0, dtype=np.uint32)
    return Layer(
        codec.index_of(codes, parts[0].opened.card.metric), ids, dead=nothing, owner=tuple(parts)
    )
