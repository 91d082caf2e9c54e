"""Read an archive that somebody brings: all of it is checked before anything is used."""

import gzip
import hashlib
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from shared.domain import ArchivedDocument, DocumentLimits, Vectors
from shared.errors import ArchiveRefused
from shared.ports import Step
from shared.transfer.archives import documents, npy, sums, tar
from shared.transfer.archives.header import Header
from shared.transfer.archives.tar import Part
from shared.transfer.archives.writing import DOCUMENTS, HEADER, IDS, MEMBERS, VECTORS

_GZIP = b"\x1f\x8b"
_MOST_JSON = 1 << 20
_BLOCK = 8 << 20  # bytes, a whole number of half floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive that was found good."""

    path: Path
    header: Header
    sha256: str
    """Of its list of checksums, so of all its contents, compressed or not."""
    limits: DocumentLimits

    def batches(
        self, *, most_documents: int, most_vectors: int
    ) -> Iterator[tuple[Sequence[ArchivedDocument], Vectors]]:
        """Yield documents in order with the vectors of their passages, float32, in order.

        A batch ends before it passes *most_vectors*, but holds at least one document.

        Raises:
            ArchiveRefused: the file was changed since it was checked.
        """
        batch: list[ArchivedDocument] = []
        rows = 0
        with _member(self.path, VECTORS) as vectors:
            npy.read_header(vectors, VECTORS)
            for document in self._documents():
                full = len(batch) == most_documents or rows + len(document.chunks) > most_vectors
                if batch and full:
                    yield batch, self._rows(vectors, rows)
                    batch, rows = [], 0
                batch.append(document)
                rows += len(document.chunks)
            if batch:
                yield batch, self._rows(vectors, rows)

    def _documents(self) -> Iterator[ArchivedDocument]:
        with _member(self.path, DOCUMENTS) as part:
            for _, document in read_documents(part, self.limits):
                yield document

    def _rows(self, part: Part, count: int) -> Vectors:
        dimension = self.header.space.dimension
        content = part.read(2 * count * dimension)
        if len(content) != 2 * count * dimension:
            raise ArchiveRefused(f"{self.path} was changed while it was read.")
        halves = np.frombuffer(content, dtype="<f2").reshape(count, dimension)
        return halves.astype(np.float32)


def check(path: Path, limits: DocumentLimits, step: Step) -> Archive:
    """Read a whole archive, and return it if all of it is as it must be.

    Args:
        path: a tar, or a gzipped one.
        limits: what documents may hold here.
        step: called with (documents, all documents).

    Raises:
        ArchiveRefused: damaged, not written by `lamina export`, or hostile; says what is wrong.
    """
    checked = _Checked(limits, step)
    with _opened(path) as file:
        for part in tar.parts(file, (*MEMBERS, sums.NAME)):
            checked.read(part)
    return Archive(path=path, header=checked.header, sha256=checked.sha256, limits=limits)


class _Checked:
    """An archive as far as it was read."""

    def __init__(self, limits: DocumentLimits, step: Step) -> None:
        self.header: Header
        self.sha256 = ""
        self._limits = limits
        self._step = step
        self._found: dict[str, str] = {}
        self._ids = array("q")

    def read(self, part: Part) -> None:
        """Read and check the next member."""
        readers = {
            HEADER: self._read_header,
            DOCUMENTS: self._read_documents,
            IDS: self._read_ids,
            VECTORS: self._read_vectors,
            sums.NAME: self._read_sums,
        }
        readers[part.name](part)
        self._found[part.name] = part.sha256

    def _read_header(self, part: Part) -> None:
        self.header = Header.parse(_small(part), part.name)

    def _read_documents(self, part: Part) -> None:
        count, last = 0, None
        for where, document in read_documents(part, self._limits):
            if last is not None and document.id <= last:
                raise ArchiveRefused(f"{where}: its id {document.id!r} does not follow {last!r}.")
            count, last = count + 1, document.id
            self._ids.extend(one.vector_id for one in document.chunks)
            if len(self._ids) > self.header.vectors:
                raise ArchiveRefused(f"{where}: more passages than {HEADER} says.")
            self._step(count, self.header.documents)
        if count != self.header.documents:
            said = self.header.documents
            raise ArchiveRefused(f"{part.name}: {count} documents, not {said} as {HEADER} says.")

    def _read_ids(self, part: Part) -> None:
        wanted = np.array(self._ids, dtype="<i8")
        _expect_array(part, wanted.shape, "<i8")
        found = np.frombuffer(part.read(wanted.nbytes), dtype="<i8")
        if len(found) != len(wanted) or part.left:
            raise ArchiveRefused(f"{part.name}: not as many ids as passages.")
        if not np.array_equal(found, wanted):
            raise ArchiveRefused(f"{part.name}: not the ids of the passages, in their order.")
        if len(np.unique(found)) != len(found):
            raise ArchiveRefused(f"{part.name}: an id belongs to two passages.")

    def _read_vectors(self, part: Part) -> None:
        dimension, rows = self.header.space.dimension, self.header.vectors
        if len(self._ids) != rows:
            raise ArchiveRefused(f"{HEADER} says {rows} vectors; there are {len(self._ids)} ids.")
        _expect_array(part, (rows, dimension), "<f2")
        if part.left != 2 * rows * dimension:
            raise ArchiveRefused(f"{part.name}: {part.left} bytes for {rows} x {dimension} halves.")
        while block := part.read(_BLOCK):
            if not np.isfinite(np.frombuffer(block, dtype="<f2")).all():
                raise ArchiveRefused(f"{part.name}: a value is not finite.")

    def _read_sums(self, part: Part) -> None:
        content = _small(part)
        for name, sha256 in sums.load(content, part.name).items():
            if self._found.pop(name, None) != sha256:
                raise ArchiveRefused(f"{name} is not what {part.name} says.")
        if self._found:
            raise ArchiveRefused(f"{part.name} does not list {', '.join(self._found)}.")
        self.sha256 = hashlib.sha256(content).hexdigest()


def read_documents(part: Part, limits: DocumentLimits) -> Iterator[tuple[str, ArchivedDocument]]:
    """Yield each document and where it stands.

    Raises:
        ArchiveRefused: a line is no document, or one that this Lamina would not accept.
    """
    longest = _MOST_JSON + 16 * limits.text_characters
    for number, line in enumerate(part.lines(longest), start=1):
        where = f"{part.name}:{number}"
        yield where, documents.load(line, where, limits)


def _expect_array(part: Part, shape: tuple[int, ...], dtype: str) -> None:
    found = npy.read_header(part, part.name)
    if found != (shape, np.dtype(dtype)):
        raise ArchiveRefused(
            f"{part.name}: an array of {found[0]} {found[1]}, not of {shape} {np.dtype(dtype)}."
        )


def _small(part: Part) -> bytes:
    if part.size > _MOST_JSON:
        raise ArchiveRefused(f"{part.name}: {part.size} bytes; at most {_MOST_JSON}.")
    return part.read()


@contextmanager
def _member(path: Path, name: str) -> Iterator[Part]:
    """Open one member, at its beginning, through a reader of its own."""
    with _opened(path) as file:
        yield next(part for part in tar.parts(file, MEMBERS) if part.name == name)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, through gzip if that is what it is."""
    try:
        with path.open("rb") as file:
            zipped = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if not zipped:
                yield file
                return
            with gzip.GzipFile(fileobj=file, mode="rb") as plain:
                yield cast("BinaryIO", plain)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ArchiveRefused(f"{path}: its compression is damaged: {error}.") from error
    except OSError as error:
        raise ArchiveRefused(f"{path}: {error.strerror or error}.") from error
