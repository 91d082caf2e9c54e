"""Copies of objects on this host: verified, bounded, shared by its processes.

`files/<key>` are the copies, `drafts/` what is being written, `locks/` one empty file for each
of a few groups of keys. What was not used for longest goes first, a folder at a time, since the
files of a segment are used together; a folder's time says when it was last used, as a file's own
times may not change once it is verified. Removing a mapped file harms nobody who has it mapped.
"""

import fcntl
import os
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import CorruptFile, IndexUnavailable
from shared.index.disk import Disk
from shared.index.drafts import Stamp
from shared.index.local import LocalFiles

_LOCKS = 64
_ABANDONED_SECONDS = 86_400.0
"""Age from where a draft is left over from a process that died."""


@dataclass(frozen=True, slots=True, order=True)
class _Folder:
    used_at: float
    key: str
    files: tuple[str, ...]
    bytes: int


class Cache:
    """Local copies of at most *limit* bytes, mapped ones that were removed not counted."""

    def __init__(self, root: Path, limit: int, disk: Disk, stamps: Path | None) -> None:
        self._root = root
        self._limit = limit
        self._disk = disk
        self._files = LocalFiles(root / "files", disk, stamps=stamps)

    def map(self, key: str, stamp: Stamp) -> NDArray[np.uint8] | None:
        """Map the verified copy of *key*; None if there is none, or a damaged one.

        It stays where it is: another process may have put a sound one there meanwhile.
        """
        try:
            mapped = self._files.map(key, stamp)
        except (CorruptFile, IndexUnavailable):
            return None
        self._use(key)
        return mapped

    def recheck(self, key: str, stamp: Stamp) -> None:
        """Read the copy of *key*, if there is one, again and remove it if it is damaged."""
        try:
            self._files.verify(key, stamp)
        except CorruptFile:
            self._files.remove(key)

    def remove(self, key: str) -> None:
        """Remove the copies of a file or folder."""
        self._files.remove(key)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Keep other processes and threads of this host from fetching *key* meanwhile."""
        folder = self._root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / str(zlib.crc32(key.encode()) % _LOCKS)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # the kernel unlocks what dies
            yield

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Give a path for a new file or folder; what is still there at the end is removed."""
        path = self._root / "drafts" / uuid.uuid4().hex
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            self._disk.remove(path)

    def adopt(self, drafted: Path, key: str) -> None:
        """Make a synced draft, a file or a folder, the copy of *key*. May raise `OSError`."""
        final = self._root / "files" / key
        final.parent.mkdir(parents=True, exist_ok=True)
        self._disk.rename(drafted, final)

    def make_room(self, coming: int) -> None:
        """Remove copies until *coming* bytes more stay within the limit, as far as possible.

        Drafts of dead processes go as well. May raise `OSError`.
        """
        self._sweep()
        folders = sorted(self._folders())
        held = coming + sum(folder.bytes for folder in folders)
        for folder in folders:
            if held <= self._limit:
                return
            for key in folder.files:
                self._files.remove(key)
            with suppress(OSError):  # filled again by another process, or gone by another
                (self._root / "files" / folder.key).rmdir()
            held -= folder.bytes

    def free_bytes(self) -> int:
        """Return the free space of the disk that copies and drafts are on."""
        return self._files.free_bytes()

    def _use(self, key: str) -> None:
        now = time.time_ns()  # the kernel's own "now" may be some milliseconds old
        with suppress(FileNotFoundError):  # removed to make room since it was mapped
            os.utime((self._root / "files" / key).parent, ns=(now, now))

    def _folders(self) -> Iterator[_Folder]:
        """Yield the folders that hold copies; what vanishes meanwhile is left out."""
        root = self._root / "files"
        for path, _, names in os.walk(root):
            sizes: dict[str, int] = {}
            key = os.path.relpath(path, root)
            with suppress(FileNotFoundError):
                for name in names:
                    sizes[f"{key}/{name}"] = Path(path, name).stat().st_size
                if sizes:
                    used_at = Path(path).stat().st_mtime
                    yield _Folder(used_at, key, tuple(sizes), sum(sizes.values()))

    def _sweep(self) -> None:
        with suppress(FileNotFoundError):  # no draft was ever made, or its maker removed it
            for path in (self._root / "drafts").iterdir():
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    self._disk.remove(path)
