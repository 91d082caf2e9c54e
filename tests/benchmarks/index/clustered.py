"""Generated vectors that lie in clusters, as the embeddings of texts do.

1,000 centres ~ N(0, I) in 64 dimensions; a vector is a centre plus 0.7 N(0, I), lifted to the
dimension asked for by a fixed orthonormal map, plus 0.02 N(0, I), divided by its length. It is
easier than real text: take recall as optimistic, times as fair.
"""

import numpy as np

from shared.domain import Vectors

_CENTRES, _INNER, _SPREAD, _NOISE = 1000, 64, 0.7, 0.02
_BLOCK = 10_000
_QUERY_SEED = 1_000_003


class Clusters:
    """An endless, repeatable row of vectors, and queries that are none of them."""

    def __init__(self, dimension: int = 384, *, seed: int = 7) -> None:
        self.dimension = dimension
        self._seed = seed
        rng = np.random.default_rng(seed)
        self._centres = rng.standard_normal((_CENTRES, _INNER), dtype=np.float32)
        square = rng.standard_normal((dimension, _INNER))
        self._lift = np.linalg.qr(square)[0].T.astype(np.float32)

    def vectors(self, start: int, count: int) -> Vectors:
        """Return vectors *start* to *start + count*, `(count, dimension)`, of unit length."""
        first, last = start // _BLOCK, (start + count - 1) // _BLOCK
        blocks = [self._block(number, _BLOCK) for number in range(first, last + 1)]
        offset = start - first * _BLOCK
        return np.concatenate(blocks)[offset : offset + count]

    def queries(self, count: int) -> Vectors:
        """Return *count* vectors of the same kind that `vectors` never returns."""
        return self._block(_QUERY_SEED, count)

    def _block(self, number: int, rows: int) -> Vectors:
        rng = np.random.default_rng((self._seed, number))
        centres = self._centres[rng.integers(_CENTRES, size=rows)]
        inner = centres + _SPREAD * rng.standard_normal((rows, _INNER), dtype=np.float32)
        noise = _NOISE * rng.standard_normal((rows, self.dimension), dtype=np.float32)
        lifted = inner @ self._lift + noise
        unit: Vectors = lifted / np.linalg.norm(lifted, axis=1, keepdims=True)
        return unit
