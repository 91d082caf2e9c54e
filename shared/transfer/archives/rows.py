"""Rows of other programs: JSON Lines or Parquet, with vectors in them or in a `.npy` beside."""

import gzip
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.domain import DocumentLimits, NewDocument, Vectors
from shared.errors import ArchiveRefused, InvalidRequest
from shared.ingest import parse_submission
from shared.transfer.archives import npy, parquet
from shared.transfer.archives.strict import parse_object

COLUMNS = frozenset({"id", "title", "text", "metadata", "external_version", "vector"})
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"

_REFUSED = {
    ".faiss": "a FAISS index: reading one that somebody made can crash or mislead",
    ".index": "a FAISS index: reading one that somebody made can crash or mislead",
    ".pkl": "a pickle: reading one can run any code",
    ".pickle": "a pickle: reading one can run any code",
    ".npz": "a bundle of arrays without texts",
    ".npy": "an array without texts: name it with --vectors, beside a .jsonl or .parquet of texts",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One document, and its vector if it brings one."""

    where: str
    """`file:row`, for messages."""
    document: NewDocument
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A file of rows, read again each time it is iterated, some rows in memory at once.

    Rows need an `id` and a `text` or `title`; `metadata` (an object), `external_version` and
    `vector` (floats) are optional; other columns are refused.
    """

    path: Path
    dimension: int
    limits: DocumentLimits
    vectors: Path | None = None
    """A `.npy` of floats `(rows, dimension)`, in the order of the rows."""

    def __iter__(self) -> Iterator[Row]:
        """Yield every row.

        Raises:
            ArchiveRefused: a row is no document, a vector is missing, not finite or of another
                dimension, or there are more or fewer vectors than rows.
        """
        matrix = npy.open_matrix(self.vectors, self.dimension) if self.vectors else None
        count = 0
        with closing(self._read()) as read:
            for where, fields in read:
                if matrix is not None and count >= len(matrix):
                    raise ArchiveRefused(f"{where}: {self.vectors} has only {len(matrix)} rows.")
                yield self._row(where, fields, matrix[count] if matrix is not None else None)
                count += 1
        if matrix is not None and count != len(matrix):
            raise ArchiveRefused(f"{self.vectors} has {len(matrix)} rows, {self.path} {count}.")

    def _row(self, where: str, fields: dict[str, Any], beside: NDArray[Any] | None) -> Row:
        inside = fields.pop("vector", None)
        if inside is not None and beside is not None:
            raise ArchiveRefused(f"{where}: has a `vector`, and so has {self.vectors}.")
        given = inside if beside is None else beside
        if fields.get("id") is None:
            raise ArchiveRefused(f"{where}: needs an `id`.")
        try:
            parsed = parse_submission([fields], self.limits, collection="", source="")
        except InvalidRequest as error:
            raise ArchiveRefused(f"{where}: {error.detail}") from error
        vector = None if given is None else self._vector(where, given)
        return Row(where, parsed.documents[0], vector)

    def _vector(self, where: str, given: object) -> Vectors:
        try:
            vector = np.asarray(given, dtype=np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise ArchiveRefused(f"{where}: `vector` is not a list of numbers.") from error
        if vector.shape != (self.dimension,):
            raise ArchiveRefused(
                f"{where}: its vector has the shape {vector.shape}; the collection has "
                f"{self.dimension} dimensions."
            )
        if not np.isfinite(vector).all():
            raise ArchiveRefused(f"{where}: its vector has a value that is not finite.")
        return vector

    def _read(self) -> Generator[tuple[str, dict[str, Any]]]:
        check_kind(self.path)
        try:
            if self.path.suffix == PARQUET:
                yield from parquet.read(self.path, COLUMNS)
            else:
                yield from _lines(self.path)
        except (OSError, EOFError) as error:
            raise ArchiveRefused(f"{self.path}: {error}.") from error


def check_kind(path: Path) -> None:
    """Refuse what is not JSON Lines or Parquet by its name.

    Raises:
        ArchiveRefused: says what it is, and why it is never read.
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix in JSON_LINES or path.suffix == PARQUET:
        return
    why = _REFUSED.get(suffix)
    if why is not None:
        raise ArchiveRefused(f"{path} is {why}, so it is never imported.")
    raise ArchiveRefused(
        f"{path}: only .tar, .tar.gz and .tgz of `lamina export`, .jsonl, .jsonl.gz and .parquet."
    )


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as raw, ExitStack() as stack:
        file = stack.enter_context(gzip.open(raw)) if path.suffix == ".gz" else raw
        for number, line in enumerate(file, start=1):
            if line.strip():
                where = f"{path}:{number}"
                yield where, parse_object(line, where)
