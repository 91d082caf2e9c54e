"""Immutable files under one root, named by keys such as `7/segments/a1-3f/ids.i64`.

A file or folder gets its name only when it is complete and on disk: draft, fsync, rename,
fsync of the parent. Nothing is ever rewritten, and nothing is retried on the same file: after
an error of fsync the kernel may have dropped the pages and report success the next time.
"""

import hashlib
import mmap
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shared.errors import CorruptFile, IndexUnavailable
from shared.index.disk import Disk
from shared.index.drafts import FolderDraft, Sink, Stamp

DRAFT = ".tmp"
"""Ends the name of what is not complete yet."""

_REMEMBERED = 16_384
"""Files whose verification one process remembers (about 300 bytes each)."""

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something found on disk."""

    key: str
    bytes: int
    """Size, of all files in it if it is a folder."""
    modified_at: float
    """Seconds since 1970 by the file system's clock."""

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def draft(self) -> bool:
        """Whether it was never completed."""
        return self.name.endswith(DRAFT)


class Files:
    """The files of an index. Safe for many threads and processes."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root
        self._disk = disk or Disk()
        self._durable: set[Path] = set()
        self._verified: OrderedDict[tuple[str, str], tuple[int, ...]] = OrderedDict()
        self._lock = Lock()

    def path(self, key: str) -> Path:
        """Return where *key* lies."""
        return self.root / key

    def taken(self, key: str) -> bool:
        """Whether something has this name."""
        with _writing(key):
            return self.path(key).exists()

    @contextmanager
    def new_folder(self, key: str) -> Iterator[FolderDraft]:
        """Give a draft to fill; on leaving the block it is complete, durable and named *key*.

        Raises:
            IndexUnavailable: the disk is full or failed; nothing has the name *key*, or what
                has it is not known to be durable. Take another name to try again.
        """
        final = self.path(key)
        drafted = final.with_name(final.name + DRAFT)
        with _writing(key), self._removed_on_error(drafted):
            self._make_parents(final.parent)
            self._disk.make_folder(drafted)
            draft = FolderDraft(self._disk, drafted)
            try:
                yield draft
                draft.sync()
            finally:
                draft.close()
            self._disk.sync_folder(drafted)
            self._disk.rename(drafted, final)
            self._disk.sync_folder(final.parent)

    def new_file(self, key: str, parts: Iterable[bytes]) -> Stamp:
        """Write *parts* to a new file; complete, durable and named *key* on return.

        Raises:
            IndexUnavailable: as for `new_folder`.
        """
        final = self.path(key)
        drafted = final.with_name(final.name + DRAFT)
        with _writing(key), self._removed_on_error(drafted):
            self._make_parents(final.parent)
            sink = Sink(self._disk, drafted)
            try:
                for part in parts:
                    sink.write(part)
                sink.sync()
            finally:
                sink.close()
            self._disk.rename(drafted, final)
            self._disk.sync_folder(final.parent)
        return sink.stamp

    def read(self, key: str, sha256: str, *, limit: int) -> bytes:
        """Return the content of a small file, verified.

        Raises:
            CorruptFile: missing, larger than *limit* bytes, or another checksum.
            IndexUnavailable: it cannot be read just now.
        """
        with _reading(key), self.path(key).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise CorruptFile(f"{key}: larger than {limit} bytes.")
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise CorruptFile(f"{key}: its sha256 is {found}, not {sha256}.")
        return content

    def map(self, key: str, stamp: Stamp) -> NDArray[np.uint8]:
        """Map a file for reading; the array keeps the mapping alive.

        The checksum is verified once per process: reading the whole file is also what brings
        it into memory. A file that was verified and has the same inode, size and times is
        not read again.

        Raises:
            CorruptFile: missing, or not what *stamp* says.
            IndexUnavailable: it cannot be read just now.
        """
        with _reading(key), self.path(key).open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if status.st_size != stamp.size:
                raise CorruptFile(f"{key}: {status.st_size} bytes long, not {stamp.size}.")
            seen = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            self._verify(key, stamp.sha256, seen, file)
            mapped = mmap.mmap(file.fileno(), stamp.size, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, dtype=np.uint8)

    def list(self, folder: str) -> list[Entry]:
        """Return what lies directly in *folder*, by name; empty if there is no such folder.

        Raises:
            IndexUnavailable: it cannot be read just now.
        """
        try:
            with _reading(folder):
                names = sorted(os.listdir(self.path(folder)))  # noqa: PTH208 - names, not paths
        except CorruptFile:
            return []
        found = (self._entry(f"{folder}/{name}") for name in names)
        return [entry for entry in found if entry is not None]

    def remove(self, key: str) -> None:
        """Remove a file or folder; nothing happens if there is none."""
        with _writing(key):
            self._disk.remove(self.path(key))

    def _entry(self, key: str) -> Entry | None:
        path = self.path(key)
        try:
            status = path.stat()
            parts = list(path.iterdir()) if path.is_dir() else [path]
            size = sum(part.stat().st_size for part in parts)
        except FileNotFoundError:  # completed or collected since it was listed
            return None
        return Entry(key=key, bytes=size, modified_at=status.st_mtime)

    def _verify(self, key: str, sha256: str, seen: tuple[int, ...], file: BinaryIO) -> None:
        with self._lock:
            if self._verified.get((key, sha256)) == seen:
                self._verified.move_to_end((key, sha256))
                return
        # read() and not the mapping: a failing disk is then an OSError, not a SIGBUS
        buffer = memoryview(bytearray(_READ_BYTES))
        digest = hashlib.sha256()
        while count := file.readinto(buffer):  # type: ignore[attr-defined]
            digest.update(buffer[:count])
        if digest.hexdigest() != sha256:
            raise CorruptFile(f"{key}: its sha256 is {digest.hexdigest()}, not {sha256}.")
        with self._lock:
            self._verified[key, sha256] = seen
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)

    def _make_parents(self, folder: Path) -> None:
        """Create missing folders, each made durable in its parent, from the root on.

        A folder that exists is synced as well the first time: the process that made it may
        not have come that far.
        """
        if folder in self._durable and folder.is_dir():
            return
        if folder.is_relative_to(self.root) or not folder.is_dir():
            self._make_parents(folder.parent)
            if not folder.is_dir():
                with suppress(FileExistsError):  # another process made it a moment ago
                    self._disk.make_folder(folder)
            self._disk.sync_folder(folder.parent)
        self._durable.add(folder)

    @contextmanager
    def _removed_on_error(self, drafted: Path) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            try:
                self._disk.remove(drafted)
            except OSError as second:
                error.add_note(f"The draft could not be removed: {second}")
            raise


@contextmanager
def _writing(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IndexUnavailable(f"{key}: {error.strerror or error}.") from error


@contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise CorruptFile(f"{key}: missing.") from error
    except OSError as error:
        raise IndexUnavailable(f"{key}: {error.strerror or error}.") from error
