"""A flat layer: every live vector is looked at."""

import numpy as np

from shared.domain import Ids, Vectors
from shared.index import codec


class Layer:
    """A flat index, the ids of its positions, and which positions are live. Safe for threads."""

    def __init__(
        self,
        index: codec.FaissIndex,
        ids: Ids,
        *,
        selection: codec.Selection | None,
        owner: object,
    ) -> None:
        self._index = index
        self._ids = ids
        self._selection = selection
        self._owner = owner  # holds what the index only points to
        self.live = selection.live if selection else len(ids)

    @property
    def exact(self) -> "Layer":
        """The layer that looks at every vector: this one."""
        return self

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


def empty(queries: int, k: int) -> tuple[Vectors, Ids]:
    """Return the answer of an index without vectors, or to no queries."""
    return np.empty((queries, k), dtype=np.float32), np.empty((queries, k), dtype=np.int64)
