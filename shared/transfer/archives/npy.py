"""NumPy's `.npy` files without its loader: a header, then rows in C order. Never pickles.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import io
import re
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.errors import ArchiveRefused

_MAGIC_BYTES = 8
_LENGTH_BYTES = {1: 2, 2: 4}  # of the header, by major version
_MOST_HEADER = 10_000
# NumPy's own reader hands the header to Python's parser, and a strange one to its tokenizer.
_HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<descr>[<>=|]?[A-Za-z]\d{0,3})',"
    r"\s*'fortran_order':\s*(?P<fortran_order>True|False),"
    r"\s*'shape':\s*\((?P<shape>(\d{1,15},?\s*){0,8})\),?\s*\}\s*"
)


class _Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return what stands before the rows of an array, version 1.0."""
    out = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, described)
    return out.getvalue()


def read_header(file: _Readable, where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read up to the first row; return shape and dtype.

    Raises:
        ArchiveRefused: not an array in C order of plain numbers.
    """
    start = file.read(_MAGIC_BYTES)
    if len(start) < _MAGIC_BYTES or start[:6] != b"\x93NUMPY" or start[6] not in _LENGTH_BYTES:
        raise ArchiveRefused(f"{where}: not a .npy file.")
    length = int.from_bytes(file.read(_LENGTH_BYTES[start[6]]), "little")
    if length > _MOST_HEADER:
        raise ArchiveRefused(f"{where}: its header is too long.")
    match = _HEADER.fullmatch(file.read(length).decode("latin-1"))
    if match is None:
        raise ArchiveRefused(f"{where}: its header is not that of a plain array.")
    try:
        dtype = np.dtype(match["descr"])
    except (TypeError, ValueError) as error:
        raise ArchiveRefused(f"{where}: no such type: {match['descr']}.") from error
    shape = tuple(int(part) for part in match["shape"].split(",") if part.strip())
    if dtype.hasobject:
        raise ArchiveRefused(
            f"{where}: it holds Python objects, which could run code when read; only numbers."
        )
    if match["fortran_order"] == "True" and len(shape) > 1:
        raise ArchiveRefused(f"{where}: its rows are not in C order; save a C-contiguous array.")
    return shape, dtype


def open_matrix(path: Path, dimension: int) -> NDArray[Any]:
    """Map an array `(rows, dimension)` of floats, not read into memory.

    Raises:
        ArchiveRefused: another shape or type, Python objects, or cut off.
    """
    try:
        with path.open("rb") as file:
            shape, dtype = read_header(file, str(path))
            offset, size = file.tell(), path.stat().st_size
    except OSError as error:
        raise ArchiveRefused(f"{path}: {error.strerror or error}.") from error
    if dtype.kind != "f":
        raise ArchiveRefused(f"{path}: it holds {dtype}, not floats.")
    if len(shape) != 2 or shape[1] != dimension:  # noqa: PLR2004 - a matrix
        raise ArchiveRefused(f"{path}: its shape is {shape}, not (rows, {dimension}).")
    if size - offset != shape[0] * dimension * dtype.itemsize:
        raise ArchiveRefused(f"{path}: it has {size - offset} bytes for {shape} {dtype}.")
    if not shape[0]:
        return np.empty(shape, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
