"""Building approximate indexes: trained on a seeded sample, filled a chunk at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from shared.domain import Metric, Policy, Vectors
from shared.index import codec, layouts
from shared.index.codec import FaissIndex, faiss
from shared.index.merging import Rows
from shared.index.progress import Progress

_CHUNK = 10_000
"""Rows added between two steps: about 2 s of an HNSW build of 384 dimensions."""

_ROUNDS = 10
"""Rounds of k-means; FAISS's own default for inverted lists."""

_PQ_ROWS = 16_384
"""Rows that a product quantizer learns from: 64 for each of 256 centroids."""

_SEED = 1234


def build(policy: Policy, rows: Rows, *, threads: int, progress: Progress) -> FaissIndex:
    """Return an index of *rows* in memory; the same one for the same rows and one thread."""
    index = faiss.index_factory(
        rows.dimension,
        layouts.spec(policy, len(rows), rows.dimension),
        codec.kind_of(rows.metric),
    )
    with _threads(threads):
        if policy is not Policy.HNSW:
            _train(index, policy, rows, progress)
        for chunk in rows.chunks(_CHUNK):
            index.add(codec.decode(chunk))
            progress.advance(len(chunk))
    return index


def _train(index: FaissIndex, policy: Policy, rows: Rows, progress: Progress) -> None:
    random = np.random.default_rng(_SEED)
    if policy is Policy.SQ8:
        index.train(rows.vectors(_some(random, rows, _PQ_ROWS)))
        return
    sample = rows.vectors(_some(random, rows, layouts.POINTS * index.nlist))
    _train_lists(index, sample, rows.metric, progress)
    # Residuals keep more of a vector, but would round fp16 codes anew, and for L2 they cost
    # a table of megabytes in each process
    index.by_residual = policy is Policy.IVFPQ and rows.metric is not Metric.L2
    if policy is Policy.IVFPQ:
        index.pq.cp.seed = _SEED
        index.pq.cp.min_points_per_centroid = 1  # `layouts` saw to that; FAISS would print
        sample = rows.vectors(_some(random, rows, _PQ_ROWS))
    index.train(sample)
    progress.advance()


def _train_lists(index: FaissIndex, sample: Vectors, metric: Metric, progress: Progress) -> None:
    """Find the centroids of the lists, one round at a time so that others hear of it."""
    clustering = faiss.Clustering(index.d, index.nlist)
    clustering.niter = 1
    clustering.seed = _SEED
    clustering.min_points_per_centroid = 1
    clustering.spherical = metric is not Metric.L2
    quantizer = faiss.downcast_index(index.quantizer)
    for _ in range(_ROUNDS):
        clustering.train(sample, quantizer)  # goes on from the centroids that it has
        progress.advance()


def _some(random: np.random.Generator, rows: Rows, count: int) -> NDArray[np.int64]:
    """Return *count* positions at random, rising; all if there are no more."""
    if count >= len(rows):
        return np.arange(len(rows))
    return np.sort(random.choice(len(rows), count, replace=False))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let FAISS use *count* threads in the block; the number is one of each Python thread."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
