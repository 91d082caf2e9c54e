"""Merging: the live vectors of several segments as one sequence, code for code."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.domain import Ids, Metric, Vectors
from shared.errors import CorruptFile
from shared.index import codec
from shared.index.layers import Part

_ROWS = 4096
"""Rows held in memory at a time."""


class Rows:
    """The live vectors of several segments of one space, by rising id. Copies nothing.

    Positions below are places in this sequence, and so in the segment that it becomes.
    """

    def __init__(self, parts: Sequence[Part], metric: Metric) -> None:
        """Look at *parts*; at least one vector must be live.

        Raises:
            ValueError: several spaces, another metric, or nothing live.
            CorruptFile: an id is live in two of them, or a file is damaged.
        """
        self.space_id, self.dimension = _space(parts, metric)
        self.metric = metric
        self.sources = tuple(part.opened.card.id for part in parts)
        ids = np.concatenate([part.live_ids for part in parts])
        if not len(ids):
            raise ValueError("Nothing is live in these segments.")
        order = np.argsort(ids)
        self.ids: Ids = ids[order]
        if not (self.ids[1:] > self.ids[:-1]).all():
            raise CorruptFile(f"A vector is live in two of the segments {', '.join(self.sources)}.")
        self._codes = [part.opened.codes for part in parts]
        self._starts = np.cumsum([0, *(part.live for part in parts)])
        self._places = [np.delete(np.arange(part.opened.card.rows), part.dead) for part in parts]
        self._order = order

    def __len__(self) -> int:
        return len(self.ids)

    def codes(self, positions: NDArray[np.integer]) -> codec.Codes:
        """Return the codes of some positions, in the order asked."""
        chosen = self._order[positions]
        owner = np.searchsorted(self._starts, chosen, side="right") - 1
        found = np.empty((len(chosen), codec.code_bytes(self.dimension)), dtype=np.uint8)
        for number in np.unique(owner):
            here = owner == number
            inside = self._places[number][chosen[here] - self._starts[number]]
            found[here] = self._codes[number][inside]
        return found

    def chunks(self, rows: int = _ROWS) -> Iterator[codec.Codes]:
        """Yield all codes in order, *rows* at a time."""
        for start in range(0, len(self), rows):
            yield self.codes(np.arange(start, min(start + rows, len(self))))

    def vectors(self, positions: NDArray[np.integer]) -> Vectors:
        """Return the vectors of some positions, `(n, dimension)` float32."""
        return codec.decode(self.codes(positions))


def _space(parts: Sequence[Part], metric: Metric) -> tuple[int, int]:
    cards = [part.opened.card for part in parts]
    spaces = {(card.space_id, card.dimension, card.metric) for card in cards}
    if len(spaces) != 1:
        raise ValueError(f"Segments of {len(spaces)} spaces cannot be merged.")
    ((space_id, dimension, its_metric),) = spaces
    if its_metric is not metric:
        raise ValueError(f"The segments are of metric {its_metric}, not {metric}.")
    return space_id, dimension
