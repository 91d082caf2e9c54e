"""FAISS files: flat fp16 indexes, written through our sinks and read where they are mapped.

FAISS never writes to a path itself: its own writer can end normally with a truncated file when
the disk is full, and never syncs. FAISS rounds to fp16 in its own way, so nothing here (and no
test) compares with numpy's `float16`.
"""

import io
import struct
from collections.abc import Iterable
from typing import Any, TypeAlias

import faiss as faiss_module
import numpy as np
from numpy.typing import NDArray

from shared.domain import Metric, Vectors
from shared.index.drafts import Sink

Codes: TypeAlias = NDArray[np.uint8]  # (rows, code size)
FaissIndex: TypeAlias = Any

faiss: Any = faiss_module  # its stubs do not know what its Python layer adds

SPEC = "SQfp16"
"""FAISS's factory name of a flat index of half floats."""

LARGEST = 65504.0
"""The largest value that a half float holds."""

WRITER = f"faiss {faiss.__version__}"

_ROWS_AT = 8  # offset of `ntotal` in the header


def code_bytes(dimension: int) -> int:
    """Return the size of one vector at rest."""
    return 2 * dimension


def kind_of(metric: Metric) -> int:
    """Return FAISS's number of a metric."""
    kind: int = faiss.METRIC_L2 if metric is Metric.L2 else faiss.METRIC_INNER_PRODUCT
    return kind


def new_index(dimension: int, metric: Metric) -> FaissIndex:
    """Return an empty flat fp16 index."""
    return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, kind_of(metric))


def encode(vectors: Vectors) -> Codes:
    """Round vectors, `(rows, dimension)`, to fp16 as FAISS does."""
    codes: Codes = new_index(vectors.shape[1], Metric.INNER_PRODUCT).sa_encode(vectors)
    return codes


def decode(codes: Codes) -> Vectors:
    """Return the vectors, `(rows, dimension)` float32, that *codes* stand for, exactly."""
    flat = new_index(codes.shape[1] // 2, Metric.INNER_PRODUCT)
    vectors: Vectors = flat.sa_decode(np.ascontiguousarray(codes))
    return vectors


def index_of(codes: Codes, metric: Metric) -> FaissIndex:
    """Return an index in memory over a copy of *codes*."""
    index = new_index(codes.shape[1] // 2, metric)
    index.add_sa_codes(np.ascontiguousarray(codes))
    return index


def write_index(index: FaissIndex, sink: Sink) -> None:
    """Write any FAISS index. Raises `OSError` when the disk does."""
    faiss.write_index(index, faiss.PyCallbackIOWriter(sink.write))


def write_codes(
    sink: Sink, metric: Metric, *, rows: int, dimension: int, chunks: Iterable[Codes]
) -> None:
    """Write the very file that FAISS writes for *rows* codes, without holding them in memory."""
    sink.write(_header(metric, rows, dimension))
    for chunk in chunks:
        sink.write(np.ascontiguousarray(chunk).reshape(-1).data)


def read_index(mapped: NDArray[np.uint8]) -> FaissIndex:
    """Return an index that reads its vectors from *mapped*, which the caller keeps alive.

    Raises:
        ValueError: FAISS cannot read it.
    """
    try:
        return faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(mapped), mapped.size))
    except RuntimeError as error:
        reason = str(error).rpartition(": ")[2]
        raise ValueError(f"FAISS cannot read it: {reason}") from error


class Selection:
    """A selector that passes over dead positions; keeps alive what FAISS only points to."""

    def __init__(self, alive: NDArray[np.bool_]) -> None:
        self.live = int(np.count_nonzero(alive))
        self._bits = np.packbits(alive, bitorder="little")
        self.selector = faiss.IDSelectorBitmap(self._bits)
        self.parameters = faiss.SearchParameters(sel=self.selector)


def codes_of(mapped: NDArray[np.uint8], *, rows: int, dimension: int) -> Codes:
    """Return the codes inside a flat file: all that follows the header.

    Raises:
        ValueError: the file is too short for so many.
    """
    size = rows * code_bytes(dimension)
    if mapped.size <= size:
        raise ValueError(f"{mapped.size} bytes are too few for {rows} x {dimension} half floats.")
    return mapped[mapped.size - size :].reshape(rows, code_bytes(dimension))


def _header(metric: Metric, rows: int, dimension: int) -> bytes:
    """Return what FAISS writes before the codes: the header of a one-row file, with counts set.

    Raises:
        RuntimeError: this FAISS lays its files out in another way.
    """
    one = new_index(dimension, metric)
    one.add(np.zeros((1, dimension), dtype=np.float32))
    file = io.BytesIO()
    faiss.write_index(one, faiss.PyCallbackIOWriter(file.write))
    header = bytearray(file.getvalue()[: -code_bytes(dimension)])
    counts = (_ROWS_AT, 1, rows), (len(header) - 8, code_bytes(dimension), rows * 2 * dimension)
    for offset, old, new in counts:
        if struct.unpack_from("<q", header, offset) != (old,):
            raise RuntimeError(f"{WRITER} writes flat fp16 files in an unknown layout.")
        struct.pack_into("<q", header, offset, new)
    return bytes(header)
