"""Index files on a POSIX file system, local or shared by several hosts.

A file or folder gets its name only when it is complete and on disk: draft, fsync, rename,
fsync of the parent. Nothing is retried on the same file: after an error of fsync the kernel may
have dropped the pages and report success the next time.
"""

import hashlib
import mmap
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import CorruptFile
from shared.index.disk import Disk
from shared.index.drafts import FolderDraft, Sink, Stamp
from shared.index.files import DRAFT, Entry, compare, reading, writing
from shared.index.proofs import Identity, Proofs

_LOOK_AGAIN_SECONDS = 0.05
_PART_BYTES = 1 << 20


class LocalFiles:
    """The files of an index under one folder. Safe for many threads and processes.

    Args:
        root: the folder; made when first written to.
        disk: the system calls that change files.
        stamps: folder outside *root* where this host remembers which files it has verified;
            without one, every process reads every file once.
        missing_seconds: how long a missing file is waited for. On a shared volume a client may
            remember for some seconds that a name does not exist ("negative" entries of NFS's
            name cache), though another host has made it since.
    """

    def __init__(
        self,
        root: Path,
        disk: Disk | None = None,
        *,
        stamps: Path | None = None,
        missing_seconds: float = 0.0,
    ) -> None:
        self._root = root
        self._disk = disk or Disk()
        self._proofs = Proofs(stamps)
        self._missing_seconds = missing_seconds
        self._durable: set[Path] = set()

    @contextmanager
    def new_folder(self, key: str) -> Iterator[FolderDraft]:
        """Give a draft to fill; on leaving the block it is complete, durable and named *key*.

        Raises:
            IndexUnavailable: the disk is full or failed; nothing has the name *key*, or what
                has it is not known to be durable. Take another name to try again.
        """
        with writing(key), self._drafted(key) as drafted:
            self._disk.make_folder(drafted)
            draft = FolderDraft(self._disk, drafted)
            try:
                yield draft
                draft.sync()
            finally:
                draft.close()
            self._disk.sync_folder(drafted)

    def new_file(self, key: str, parts: Iterable[bytes]) -> Stamp:
        """Write *parts* to a new file; complete, durable and named *key* on return.

        Raises:
            IndexUnavailable: as for `new_folder`.
        """
        with writing(key), self._drafted(key) as drafted:
            sink = Sink(self._disk, drafted)
            try:
                for part in parts:
                    sink.write(part)
                sink.sync()
            finally:
                sink.close()
        return sink.stamp

    def read(self, key: str, sha256: str, *, limit: int) -> bytes:
        """Return the content of a small file, verified.

        Raises:
            CorruptFile: missing, larger than *limit* bytes, or another checksum.
            IndexUnavailable: it cannot be read just now.
        """
        with self._opened(key) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise CorruptFile(f"{key}: larger than {limit} bytes.")
        compare(key, Stamp.of(content), Stamp(len(content), sha256))
        return content

    def map(self, key: str, stamp: Stamp) -> NDArray[np.uint8]:
        """Map a file for reading; the array keeps the mapping alive.

        The checksum is verified once per host: reading the whole file is also what brings it
        into memory. A file that was verified and has the same inode, size and times is not
        read again; the kernel is asked to fetch it in the background.

        Raises:
            CorruptFile: missing, or not what *stamp* says.
            IndexUnavailable: it cannot be read just now.
        """
        with self._opened(key) as file:
            verified = self._proofs.hold(key, stamp, Identity.of(file.fileno()))
            if not verified:
                self._verify(key, stamp, file)
            mapped = mmap.mmap(file.fileno(), stamp.size, access=mmap.ACCESS_READ)
            if verified:
                mapped.madvise(mmap.MADV_WILLNEED)
        return np.frombuffer(mapped, dtype=np.uint8)

    def parts(self, key: str) -> Iterator[bytes]:
        """Yield the content of a file as it is, unverified, in parts of about a megabyte.

        Raises:
            CorruptFile: missing.
            IndexUnavailable: it cannot be read just now.
        """
        with self._opened(key) as file:
            while part := file.read(_PART_BYTES):
                yield part

    def raw(self, key: str) -> bytes:
        """Return the content of a file as it is, unverified.

        Raises:
            CorruptFile: missing.
            IndexUnavailable: it cannot be read just now.
        """
        with self._opened(key) as file:
            return file.read()

    def verify(self, key: str, stamp: Stamp) -> None:
        """Read a file again, from the disk where the system allows it, and compare its checksum.

        Raises:
            CorruptFile: missing, or not what *stamp* says; nothing remembers it as verified.
            IndexUnavailable: it cannot be read just now.
        """
        with self._opened(key) as file:
            if hasattr(os, "posix_fadvise"):  # pages that nobody has mapped leave memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._verify(key, stamp, file)

    def members(self, key: str) -> list[tuple[str, int]]:
        """Return the files of an entry, by key, with their sizes in bytes.

        Raises:
            CorruptFile: missing.
            IndexUnavailable: it cannot be read just now.
        """
        path = self._path(key)
        with reading(key):
            if not path.is_dir():
                return [(key, path.stat().st_size)]
            return [(f"{key}/{one.name}", one.stat().st_size) for one in sorted(path.iterdir())]

    def taken(self, key: str) -> bool:
        """Whether something has this name."""
        with writing(key):
            return self._path(key).exists()

    def remove(self, key: str) -> None:
        """Remove a file or folder; nothing happens if there is none."""
        with writing(key):
            self._proofs.drop(key)
            self._disk.remove(self._path(key))

    def free_bytes(self) -> int:
        """Return the space of the file system that is free to this user, bytes."""
        folder = self._root.absolute()
        while not folder.exists():
            folder = folder.parent
        with reading(str(folder)):
            status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize

    def list(self, folder: str) -> list[Entry]:
        """Return what lies directly in *folder*, by name; empty if there is no such folder.

        Raises:
            IndexUnavailable: it cannot be read just now.
        """
        try:
            with reading(folder):
                names = sorted(os.listdir(self._path(folder)))  # noqa: PTH208 - names, not paths
        except CorruptFile:
            return []
        with reading(folder):
            found = [self._entry(f"{folder}/{name}") for name in names]
        return [entry for entry in found if entry is not None]

    def _path(self, key: str) -> Path:
        return self._root / key

    def _entry(self, key: str) -> Entry | None:
        path = self._path(key)
        try:
            status = path.stat()
            parts = list(path.iterdir()) if path.is_dir() else [path]
            size = sum(part.stat().st_size for part in parts)
        except FileNotFoundError:  # completed or collected since it was listed
            return None
        return Entry(key=key, bytes=size, modified_at=status.st_mtime, draft=key.endswith(DRAFT))

    @contextmanager
    def _opened(self, key: str) -> Iterator[BufferedReader]:
        with reading(key), self._open(key) as file:
            yield file

    def _open(self, key: str) -> BufferedReader:
        path = self._path(key)
        deadline = time.monotonic() + self._missing_seconds
        while True:
            try:
                return path.open("rb")
            except (FileNotFoundError, NotADirectoryError):
                if time.monotonic() >= deadline:
                    raise
            self._look_again(path)
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _look_again(self, path: Path) -> None:
        """List the folders above *path*: what a client reads anew replaces what it remembers."""
        above = [folder for folder in path.parents if folder.is_relative_to(self._root)]
        with suppress(FileNotFoundError, NotADirectoryError):  # as far as they are visible
            for folder in reversed(above):
                os.listdir(folder)  # noqa: PTH208 - the listing is the point

    def _verify(self, key: str, stamp: Stamp, file: BufferedReader) -> None:
        """Compare all of *file* with *stamp*, and remember what came of it."""
        seen = Identity.of(file.fileno())
        try:
            compare(key, Stamp(seen.size, stamp.sha256), stamp)
            # read() and not the mapping: a failing disk is then an OSError, not a SIGBUS
            found = hashlib.file_digest(file, "sha256").hexdigest()
            compare(key, Stamp(seen.size, found), stamp)
        except CorruptFile:
            self._proofs.drop(key)
            raise
        self._proofs.add(key, stamp, seen)

    @contextmanager
    def _drafted(self, key: str) -> Iterator[Path]:
        """Give the path of a draft; on leaving the block it gets its name, durably."""
        final = self._path(key)
        drafted = final.with_name(final.name + DRAFT)
        with self._removed_on_error(drafted):
            self._make_parents(final.parent)
            yield drafted
            self._disk.rename(drafted, final)
            self._disk.sync_folder(final.parent)

    def _make_parents(self, folder: Path) -> None:
        """Create missing folders, each made durable in its parent, from the root on.

        A folder that exists is synced as well the first time: the process that made it may
        not have come that far.
        """
        if folder in self._durable and folder.is_dir():
            return
        if folder.is_relative_to(self._root) or not folder.is_dir():
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
