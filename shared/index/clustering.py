"""Groups of vectors."""

import numpy as np

from shared.domain import Ids, Vectors
from shared.index.codec import faiss

_ITERATIONS = 25
_BEGINNINGS = 3
"""Of several beginnings the one counts whose groups end up tightest."""


def cluster(vectors: Vectors, count: int, *, spherical: bool, seed: int) -> Ids:
    """Return the number of a group for each vector, `(n,)`, by k-means.

    Args:
        vectors: `(n, dimension)` float32, n at least *count*.
        count: of groups.
        spherical: compare directions only, as for cosine similarity.
        seed: the same one gives the same groups.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    means = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=_ITERATIONS,
        nredo=_BEGINNINGS,
        spherical=spherical,
        seed=seed,
        min_points_per_centroid=1,  # else it warns on standard error
        max_points_per_centroid=len(vectors),  # and this would take a sample of the sample
    )
    means.train(vectors)
    _, groups = means.index.search(vectors, 1)
    return np.asarray(groups[:, 0], dtype=np.int64)
