"""Small truths about vectors: unit length, what fp16 can hold."""

import numpy as np

from shared.domain import Metric, Vectors

FP16_MAX = 65504.0
"""Largest finite IEEE 754 binary16 value."""


def prepare(vectors: Vectors, metric: Metric) -> Vectors:
    """Return `(n, dimension)` float32 vectors as *metric* compares them.

    For cosine each row is scaled to unit length, so that an inner product is the cosine; the
    zero row stays zero.
    """
    if metric is not Metric.COSINE:
        return vectors
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    out = np.zeros_like(vectors)
    np.divide(vectors, length, out=out, where=length > 0)
    return out


def storable(vectors: Vectors) -> bool:
    """Whether every value is finite and fp16 can hold it."""
    return bool(np.isfinite(vectors).all()) and float(np.abs(vectors).max(initial=0)) <= FP16_MAX
