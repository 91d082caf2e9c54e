"""Layers: what one FAISS scan searches. A large segment is one; all tiny ones are one."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from shared.domain import Ids, Positions
from shared.index import codec
from shared.index.approximate import ApproximateLayer
from shared.index.flat import Layer
from shared.index.segments import OpenSegment

TINY = 256
"""Segments with fewer live vectors are copied together: a scan has about 20 µs of overhead."""


GROUP = 1024
"""Rows of tiny segments that are copied together; a publish copies only the last group anew."""

_SPARSE = 0.05
"""Share of live vectors below which a layout is no help: a scan passes over dead ones quickly."""


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
    def layer(self) -> Layer | ApproximateLayer:
        """The part, mapped, ready for search: nothing is read from a file name after this.

        Raises:
            CorruptFile: a file is missing or damaged.
        """
        opened = self.opened
        flat = Layer(opened.index, opened.ids, selection=self._selection, owner=opened)
        if opened.ann is None or self.live < _SPARSE * opened.card.rows:
            return flat
        return ApproximateLayer(opened, flat, self._selection)

    @cached_property
    def _selection(self) -> codec.Selection | None:
        if not len(self.dead):
            return None
        alive = np.ones(self.opened.card.rows, dtype=bool)
        alive[self.dead] = False
        return codec.Selection(alive)


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
    index = codec.index_of(codes, parts[0].opened.card.metric)
    return Layer(index, ids, selection=None, owner=tuple(parts))
