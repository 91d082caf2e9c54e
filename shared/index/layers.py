"""Layers: what one FAISS scan searches. A large segment is one; all tiny ones are one."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from shared.domain import Ids, Positions
from shared.index import codec
from shared.index.approximate import ApproximateLayer, ChosenLayer
from shared.index.flat import Layer
from shared.index.segments import OpenSegment

TINY = 256
"""Segments with fewer live vectors are copied together: a scan has about 20 µs of overhead."""


GROUP = 1024
"""Rows of tiny segments that are copied together; a publish copies only the last group anew."""

_SPARSE = 0.05
"""Share of live vectors below which a layout is no help: a scan passes over dead ones quickly."""

FEW = 10_000
"""Vectors chosen from a segment that are copied together and looked at one by one.

A scan of so many takes about 0.7 ms, and is exact; a layout is no quicker at finding as many more
as it takes to have enough of them (measured in `tests/benchmarks/filters.py`).
"""


class Part:
    """A segment and which of its positions are dead at a version. Never changes."""

    def __init__(
        self, opened: OpenSegment, dead: Positions, *, whole: "Part | None" = None
    ) -> None:
        """Show *opened* without the *dead*; of *whole*, if it is a choice from that part."""
        self.opened = opened
        self.dead = dead
        self._whole = whole
        self.live = opened.card.rows - len(dead)

    @property
    def live_ids(self) -> Ids:
        """Ids of the live vectors, rising."""
        return self.opened.ids[self.live_positions] if len(self.dead) else self.opened.ids

    @property
    def live_codes(self) -> codec.Codes:
        """The live vectors at rest, in the order of `live_ids`."""
        codes = self.opened.codes
        return codes[self.live_positions] if len(self.dead) else codes

    def among(self, wanted: Ids) -> "Part":
        """Return the part with only those of its live vectors whose ids are *wanted*, rising."""
        first, end = np.searchsorted(wanted, (self.opened.card.min_id, self.opened.card.max_id + 1))
        alive = np.zeros(self.opened.card.rows, dtype=bool)
        alive[positions_of(self.opened.ids, wanted[first:end])] = True
        alive[self.dead] = False
        dead = np.flatnonzero(~alive).astype(np.uint32)
        return self if len(dead) == len(self.dead) else Part(self.opened, dead, whole=self)

    @property
    def live_positions(self) -> Positions:
        """Positions of the live vectors, rising."""
        alive = np.ones(self.opened.card.rows, dtype=bool)
        alive[self.dead] = False
        return np.flatnonzero(alive).astype(np.uint32)

    @property
    def is_few(self) -> bool:
        """Whether its live vectors, chosen from many, are best copied and looked at one by one."""
        rows = self.opened.card.rows
        return self.live < TINY or (
            2 * self.live <= rows and (self.live <= FEW or self.live < _SPARSE * rows)
        )

    @cached_property
    def layer(self) -> Layer | ApproximateLayer | ChosenLayer:
        """The part, mapped, ready for search: nothing is read from a file name after this.

        Raises:
            CorruptFile: a file is missing or damaged.
        """
        opened = self.opened
        flat = Layer(opened.index, opened.ids, selection=self._selection, owner=opened)
        if opened.ann is None or self.live < _SPARSE * opened.card.rows:
            return flat
        if self._whole is None:
            return ApproximateLayer(opened, flat, self._selection)
        whole = self._whole.layer
        return (
            ChosenLayer(whole, flat, self.live_ids) if isinstance(whole, ApproximateLayer) else flat
        )

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


def positions_of(rising: Ids, wanted: Ids) -> Ids:
    """Return the positions in *rising* (not empty) of those *wanted* ids that it holds."""
    places: Ids = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    found: Ids = places[rising[places] == wanted]
    return found


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
