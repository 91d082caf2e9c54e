"""Write an archive: documents first, since only then it is known how many there are.

An archive is a tar, or a gzipped one, of `lamina.json`, `documents.jsonl`, `ids.npy`,
`vectors.npy` and `SHA256SUMS`, in this order. Documents are in the order of their ids, vector ids
in that of the documents' passages, and vectors in that of their ids, so that all can be read front
to back. The same version is always the same bytes.
"""

import gzip
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import numpy as np

from shared.domain import ArchivedDocument, Ids, Vectors
from shared.errors import CorruptFile
from shared.transfer.archives import documents, npy, sums
from shared.transfer.archives.drafts import new_file
from shared.transfer.archives.header import Header
from shared.transfer.archives.tar import TarWriter

HEADER = "lamina.json"
DOCUMENTS = "documents.jsonl"
IDS = "ids.npy"
VECTORS = "vectors.npy"
MEMBERS = (HEADER, DOCUMENTS, IDS, VECTORS)
"""What every archive holds before its checksums."""

GZIPPED = (".gz", ".tgz")

_READ = 1 << 20


class ArchiveWriter:
    """An archive under way. Documents wait in a nameless file beside it until all are there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._spool = cast("BinaryIO", tempfile.TemporaryFile(dir=path.parent))  # noqa: SIM115
        self._ids = array("q")
        self.documents = 0
        """Documents added so far."""
        self.files = 0
        """Those of them that were read from a file."""
        self.originals = 0
        """Those of them whose file is kept; it is not part of the archive."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool.close()

    def add(self, document: ArchivedDocument) -> None:
        """Add a document; its passages' vectors are asked for at the end."""
        self._spool.write(documents.dump(document))
        self._ids.extend(one.vector_id for one in document.chunks)
        self.documents += 1
        self.files += document.origin is not None
        self.originals += document.has_original

    @property
    def ids(self) -> Ids:
        """Vector ids in the order in which vectors are wanted, `(n,)` int64."""
        return np.array(self._ids, dtype=np.int64)

    def finish(self, header: Header, vectors: Callable[[], Iterable[Vectors]]) -> None:
        """Write the archive; it is complete, durable and has its name on return.

        Args:
            header: what it says of itself.
            vectors: returns blocks, `(n, dimension)` float32, in the order of `ids`; every value
                must be one that fp16 holds exactly, as the index keeps them.

        Raises:
            CorruptFile: a value is not exactly a half float.
        """
        size = self._spool.tell()
        self._spool.seek(0)
        ids = self.ids
        heads = {
            IDS: npy.header("<i8", ids.shape),
            VECTORS: npy.header("<f2", (len(ids), header.space.dimension)),
        }
        described = header.model_dump_json(indent=1).encode()
        with new_file(self.path) as file, _compressed(file, self.path) as out:
            tar = TarWriter(out)
            listed = {
                HEADER: tar.add(HEADER, len(described), [described]),
                DOCUMENTS: tar.add(DOCUMENTS, size, iter(lambda: self._spool.read(_READ), b"")),
                IDS: tar.add(
                    IDS,
                    len(heads[IDS]) + ids.nbytes,
                    [heads[IDS], ids.astype("<i8").tobytes()],
                ),
                VECTORS: tar.add(
                    VECTORS,
                    len(heads[VECTORS]) + 2 * len(ids) * header.space.dimension,
                    _halves(heads[VECTORS], vectors()),
                ),
            }
            content = sums.dump(listed)
            tar.add(sums.NAME, len(content), [content])
            tar.end()


@contextmanager
def _compressed(file: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    if path.suffix not in GZIPPED:
        yield file
        return
    # No name and no time inside, so that equal archives are equal files.
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as out:
        yield cast("BinaryIO", out)


def _halves(head: bytes, blocks: Iterable[Vectors]) -> Iterator[bytes]:
    yield head
    for block in blocks:
        halves = block.astype("<f2")
        if not np.array_equal(halves.astype(np.float32), block):
            raise CorruptFile("A stored vector is not made of 16-bit floats.")
        yield halves.tobytes()
