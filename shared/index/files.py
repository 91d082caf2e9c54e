"""What the index asks of its storage: immutable files, named by keys.

A key such as `7/segments/a1-3f/ids.i64` names one content for ever. A file or a folder of files
gets its name only when it is complete and durable; nothing is ever rewritten.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.errors import CorruptFile, IndexUnavailable
from shared.index.drafts import FolderDraft, Stamp

DRAFT = ".tmp"
"""Ends the name of what is not complete yet, where names can be changed."""

LAST = "segment.json"
"""Completes a folder where names cannot be changed: it is written last and removed first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something found in storage: a file, or a folder of files."""

    key: str
    bytes: int
    """Size, of all files in it if it is a folder."""
    modified_at: float
    """Seconds since 1970 by the storage's clock."""
    draft: bool
    """Whether it was never completed."""

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


class Files(Protocol):
    """The files of an index. Safe for many threads and processes.

    Every method may raise `IndexUnavailable`: the storage is full, failed or does not answer
    just now.
    """

    def new_folder(self, key: str) -> AbstractContextManager[FolderDraft]:
        """Give a draft to fill; on leaving the block it is complete, durable and named *key*.

        One of its files must be called `LAST`.

        Raises:
            IndexUnavailable: nothing has the name *key*, or what has it is not known to be
                durable. Take another name to try again.
        """
        ...

    def new_file(self, key: str, parts: Iterable[bytes]) -> Stamp:
        """Write *parts* to a new small file; complete, durable and named *key* on return.

        Raises:
            IndexUnavailable: as for `new_folder`.
        """
        ...

    def read(self, key: str, sha256: str, *, limit: int) -> bytes:
        """Return the content of a small file, verified.

        Raises:
            CorruptFile: missing, larger than *limit* bytes, or another checksum.
        """
        ...

    def map(self, key: str, stamp: Stamp) -> NDArray[np.uint8]:
        """Map a verified file for reading; the array keeps the mapping alive.

        Raises:
            CorruptFile: missing, or not what *stamp* says.
        """
        ...

    def parts(self, key: str) -> Iterator[bytes]:
        """Yield the content of a file as it is, unverified, in parts of about a megabyte.

        Raises:
            CorruptFile: missing.
        """
        ...

    def raw(self, key: str) -> bytes:
        """Return the content of a file as it is, unverified.

        Raises:
            CorruptFile: missing.
        """
        ...

    def verify(self, key: str, stamp: Stamp) -> None:
        """Read a file again, past every cache, and compare its checksum.

        Raises:
            CorruptFile: missing, or not what *stamp* says.
        """
        ...

    def members(self, key: str) -> list[tuple[str, int]]:
        """Return the files of an entry, by key, with their sizes in bytes.

        Raises:
            CorruptFile: missing.
        """
        ...

    def taken(self, key: str) -> bool:
        """Whether something has this name."""
        ...

    def remove(self, key: str) -> None:
        """Remove a file or folder; nothing happens if there is none."""
        ...

    def free_bytes(self) -> int | None:
        """Return the free space where files are written; None where that has no meaning."""
        ...

    def list(self, folder: str) -> list[Entry]:
        """Return what lies directly in *folder*, by name; empty if there is no such folder."""
        ...


@contextmanager
def writing(key: str) -> Iterator[None]:
    """Say which file could not be written, for any `OSError`."""
    try:
        yield
    except OSError as error:
        raise IndexUnavailable(f"{key}: {error.strerror or error}.") from error


@contextmanager
def reading(key: str) -> Iterator[None]:
    """Say which file is missing or could not be read, for any `OSError`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise CorruptFile(f"{key}: missing.") from error
    except OSError as error:
        raise IndexUnavailable(f"{key}: {error.strerror or error}.") from error


def compare(key: str, found: Stamp, wanted: Stamp) -> None:
    """Compare what a file is with what it must be.

    Raises:
        CorruptFile: another size or checksum.
    """
    if found.size != wanted.size:
        raise CorruptFile(f"{key}: {found.size} bytes long, not {wanted.size}.")
    if found.sha256 != wanted.sha256:
        raise CorruptFile(f"{key}: its sha256 is {found.sha256}, not {wanted.sha256}.")
