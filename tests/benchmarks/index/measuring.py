"""What is measured of a snapshot, and of FAISS alone on the same vectors."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss as faiss_module
import numpy as np

from shared.domain import Ids, Vectors
from shared.ports import Snapshot

faiss: Any = faiss_module

K = 10
Answer = Callable[[Vectors], Ids]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 95th percentile, in milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), statistics.quantiles(values, n=20)[18])


def timed_search(search: Answer, queries: Vectors, *, rounds: int = 2) -> tuple[Spread, Ids]:
    """Search one query at a time, *rounds* times over; the first round only warms up."""
    for _ in range(rounds):
        taken, found = [], []
        for query in queries:
            started = time.perf_counter()
            found.append(search(query[None]))
            taken.append(1000 * (time.perf_counter() - started))
    return Spread.of(taken), np.concatenate(found)


def of_snapshot(snapshot: Snapshot, *, exact: bool = False) -> Answer:
    """Return how *snapshot* answers one query."""
    return lambda query: snapshot.search(query, K, exact=exact)[1]


def recall(found: Ids, truth: Ids) -> float:
    """Return the share of the exact best k that was found, over all queries."""
    pairs = zip(found, truth, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs]))


def raw_hnsw(vectors: Vectors, threads: int) -> tuple[Any, float]:
    """Build FAISS's own HNSW of float32 vectors; return it and the seconds that took."""
    index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    faiss.omp_set_num_threads(threads)
    started = time.perf_counter()
    index.add(vectors)
    seconds = time.perf_counter() - started
    faiss.omp_set_num_threads(1)
    return index, seconds


def tune_raw(index: Any, queries: Vectors, truth: Ids, wanted: float) -> tuple[int, float]:
    """Return the smallest efSearch that reaches the recall *wanted*, and its recall.

    Positions and ids must be the same order: *truth* holds positions.
    """
    reached = 0.0
    for effort in (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024):
        found = index.search(queries, K, params=faiss.SearchParametersHNSW(efSearch=effort))[1]
        reached = recall(found, truth)
        if reached >= wanted:
            return effort, reached
    return 1024, reached


def of_raw(index: Any, effort: int) -> Answer:
    """Return how FAISS alone answers one query."""
    parameters = faiss.SearchParametersHNSW(efSearch=effort)
    return lambda query: index.search(query, K, params=parameters)[1]


def naive_rewrite(vectors: Vectors, path: Path) -> float:
    """Write one flat FAISS file of everything, as a system without segments does each time.

    Returns the milliseconds, fsync included.
    """
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    started = time.perf_counter()
    faiss.write_index(index, str(path))
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    taken = 1000 * (time.perf_counter() - started)
    path.unlink()
    return taken
