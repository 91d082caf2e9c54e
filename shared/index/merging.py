"""Merging: one segment with the live vectors of several, code for code."""

from collections.abc import Iterator, Sequence

import numpy as np

from shared.domain import Metric
from shared.errors import CorruptFile
from shared.index import codec
from shared.index.layers import Part
from shared.index.segments import Draft

_ROWS = 4096
"""Rows held in memory at a time."""


def draft(parts: Sequence[Part], metric: Metric) -> Draft:
    """Return a draft of all live vectors by rising id; codes are copied, never re-encoded.

    Args:
        parts: segments of one space; at least one vector is live.
        metric: of the space.

    Raises:
        ValueError: several spaces, another metric, or nothing live.
        CorruptFile: an id is live in two of them.
    """
    spaces = {
        (p.opened.card.space_id, p.opened.card.dimension, p.opened.card.metric) for p in parts
    }
    if len(spaces) != 1:
        raise ValueError(f"Segments of {len(spaces)} spaces cannot be merged.")
    ((space_id, dimension, its_metric),) = spaces
    if its_metric is not metric:
        raise ValueError(f"The segments are of metric {its_metric}, not {metric}.")
    ids = np.concatenate([part.live_ids for part in parts])
    if not len(ids):
        raise ValueError("Nothing is live in these segments.")
    order = np.argsort(ids)
    ids = ids[order]
    if not (ids[1:] > ids[:-1]).all():
        names = ", ".join(part.opened.card.id for part in parts)
        raise CorruptFile(f"A vector is live in two of the segments {names}.")

    return Draft(
        space_id=space_id,
        dimension=dimension,
        metric=metric,
        ids=ids,
        fill=lambda sink: codec.write_codes(
            sink, metric, rows=len(ids), dimension=dimension, chunks=_codes(parts, order)
        ),
        sources=tuple(part.opened.card.id for part in parts),
    )


def _codes(parts: Sequence[Part], order: np.ndarray) -> Iterator[codec.Codes]:
    """Yield the codes of the live vectors of *parts*, counted through, in *order*."""
    starts = np.cumsum([0, *(part.live for part in parts)])
    positions = [np.delete(np.arange(part.opened.card.rows), part.dead) for part in parts]
    for start in range(0, len(order), _ROWS):
        chosen = order[start : start + _ROWS]
        owner = np.searchsorted(starts, chosen, side="right") - 1
        chunk = np.empty((len(chosen), parts[0].opened.codes.shape[1]), dtype=np.uint8)
        for number in np.unique(owner):
            here = owner == number
            inside = positions[number][chosen[here] - starts[number]]
            chunk[here] = parts[number].opened.codes[inside]
        yield chunk
