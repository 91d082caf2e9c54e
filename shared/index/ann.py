"""Approximate FAISS indexes over the positions of a segment: written, read, asked.

A graph (HNSW) is written without its vectors, which are those of the segment's flat file; IVF
copies the fp16 codes into its lists, as they are; IVFPQ and SQ8 hold smaller codes, so what
they find is scored again on the flat file.
"""

import numpy as np
from numpy.typing import NDArray

from shared.domain import Metric, Policy, Vectors
from shared.index import codec
from shared.index.codec import Codes, FaissIndex, faiss
from shared.index.drafts import Sink

RESCORED = frozenset({Policy.IVFPQ, Policy.SQ8})
"""Policies whose own scores are not those of the fp16 vectors. The others compute theirs with the
very function of a flat scan on the very codes: equal to the last bit, and proved in the tests."""

_CLASSES = {
    Policy.HNSW: "IndexHNSWSQ",
    Policy.IVF: "IndexIVFScalarQuantizer",
    Policy.IVFPQ: "IndexIVFPQ",
    Policy.SQ8: "IndexScalarQuantizer",
}

Found = NDArray[np.int64]  # (queries, candidates) positions, -1 where there are no more


def write(index: FaissIndex, policy: Policy, sink: Sink) -> None:
    """Write an index, a graph without its vectors. Raises `OSError` when the disk does."""
    flags = faiss.IO_FLAG_SKIP_STORAGE if policy is Policy.HNSW else 0
    faiss.write_index(index, faiss.PyCallbackIOWriter(sink.write), flags)


def read(mapped: NDArray[np.uint8], policy: Policy, flat: NDArray[np.uint8]) -> FaissIndex:
    """Return an index that reads from *mapped*, and from *flat*, the file of the fp16 vectors.

    The caller keeps both alive.

    Raises:
        ValueError: FAISS cannot read it, or it is of another policy.
    """
    index = codec.read_index(mapped)
    if type(index).__name__ != _CLASSES[policy]:
        raise ValueError(f"it holds an {type(index).__name__}, not an {_CLASSES[policy]}")
    if policy is Policy.HNSW:
        # assigning hands the storage over to the graph, which frees it
        index.storage = codec.read_index(flat)
        index.own_fields = True
    return index


def ask(
    index: FaissIndex,
    policy: Policy,
    queries: Vectors,
    count: int,
    *,
    effort: int,
    selector: FaissIndex | None = None,
) -> tuple[Vectors, Found]:
    """Return the index's own scores and positions of about the best *count* for each query.

    Args:
        index: as built or read.
        policy: of the index.
        queries: `(n, dimension)` float32.
        count: at least 1.
        effort: efSearch of a graph, probed lists of IVF, without meaning for SQ8.
        selector: what may be found; the caller keeps it alive.
    """
    given = {} if selector is None else {"sel": selector}
    if policy is Policy.HNSW:  # without efSearch the parameters would mean 16
        parameters = faiss.SearchParametersHNSW(efSearch=effort, **given)
    elif policy is Policy.SQ8:
        parameters = faiss.SearchParameters(**given)
    else:
        parameters = faiss.SearchParametersIVF(nprobe=effort, **given)
    scores, positions = index.search(queries, count, params=parameters)
    return scores, positions


def most_effort(index: FaissIndex, policy: Policy) -> int:
    """Return the largest effort that still makes sense; above it, look at everything."""
    if policy is Policy.HNSW:
        return 4096
    return 1 if policy is Policy.SQ8 else max(1, index.nlist // 2)


def rescored(query: Vectors, codes: Codes, metric: Metric) -> tuple[Vectors, Found]:
    """Score candidates exactly as a flat scan does, to the last bit, best first.

    Args:
        query: `(1, dimension)` float32.
        codes: `(n, code size)`, n at least 1.
        metric: of the space.

    Returns:
        FAISS's scores `(n,)` and places in *codes* `(n,)`.
    """
    # 27 µs for 40 candidates of 384 dimensions; decoding and multiplying in numpy takes 50
    scores, places = codec.index_of(codes, metric).search(query, len(codes))
    return scores[0], places[0]
