"""Principal components."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.domain import Vectors


class Components(NamedTuple):
    """Points along the directions in which they differ most."""

    points: NDArray[np.float32]
    """`(n, m)`, widest direction first, mean 0."""
    explained: float
    """Share of the variance that these directions hold, 0 to 1; 1 where there is no variance."""


def principal_components(vectors: Vectors, most: int) -> Components:
    """Return *vectors*, `(n, dimension)`, in at most *most* of their principal components.

    Each direction points to where its largest coordinate is positive, so that the same vectors
    always give the same points.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    # Of the two matrices with the same eigenvalues the smaller one.
    rows, columns = centred.shape
    wide = columns > rows
    values, basis = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, basis = np.clip(values[::-1], 0.0, None), basis[:, ::-1]
    kept = min(most, rows, columns)
    points = basis[:, :kept] * np.sqrt(values[:kept]) if wide else centred @ basis[:, :kept]
    strongest = np.abs(points).argmax(axis=0)
    points *= np.where(points[strongest, np.arange(kept)] < 0, -1.0, 1.0)
    total = float(values.sum())
    explained = float(values[:kept].sum()) / total if total > 0 else 1.0
    return Components(points.astype(np.float32), explained)
