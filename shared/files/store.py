"""The bytes of files in a folder, durable before anybody is told of them.

Each upload has a file of its own, `<collection>/<sha256>.<random>`: were one shared by all that say
the same, removing it would race with the next upload of the same bytes. The collection's number
comes first, so that all files of a collection can be found and removed.
"""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from shared.domain import Bytes
from shared.errors import IndexUnavailable, TooLarge

_INCOMING = "incoming"
_SCRATCH = "scratch"


class FolderBlobs:
    """The port `Blobs` over a folder, which all processes of an installation must see."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, *, most: int) -> "IncomingFile":
        """Begin to store a file of at most *most* bytes.

        Raises:
            IndexUnavailable: it cannot be written.
        """
        try:
            _make_folders(self._folder / _INCOMING)
            return IncomingFile(self._folder, most)
        except OSError as error:
            raise _unavailable(error) from error

    def open(self, key: str) -> BinaryIO:
        """Open a stored file to read it; `FileNotFoundError` if it is not there."""
        return self.path(key).open("rb")

    def path(self, key: str) -> Path:
        """Return where a stored file is."""
        return self._folder / key

    def remove(self, key: str) -> None:
        """Remove a file; one that is not there is fine."""
        self.path(key).unlink(missing_ok=True)

    def remove_all(self, collection_id: int) -> None:
        """Remove every file of a collection."""
        folder = self._folder / str(collection_id)
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            path.unlink(missing_ok=True)

    def entries(self) -> Iterator[tuple[str, float]]:
        """Yield the key and time of change of every file, half-stored ones too."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder) / name
                try:
                    changed = path.stat().st_mtime
                except FileNotFoundError:  # removed or finished just now
                    continue
                yield path.relative_to(self._folder).as_posix(), changed

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Return an empty folder beside them, which is gone afterwards."""
        parent = self._folder / _SCRATCH
        _make_folders(parent)
        folder = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def free_bytes(self) -> int:
        """Return the space that is free where they are stored."""
        folder = self._folder.absolute()
        while not folder.exists():  # nothing was stored yet
            folder = folder.parent
        return shutil.disk_usage(folder).free


class IncomingFile:
    """A file that is being stored."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._digest = hashlib.sha256()
        self._path = folder / _INCOMING / secrets.token_hex(16)
        self._file: IO[bytes] | None = self._path.open("xb")
        self.head = b""
        """Its first bytes, at most 64 kB."""
        self.size = 0

    def write(self, part: bytes) -> int:
        """Take the next bytes; past the most that was said they are only counted.

        Raises:
            IndexUnavailable: they cannot be written.
        """
        self.size += len(part)
        if self._file is None or self.size > self._most:
            return len(part)
        if len(self.head) < 1 << 16:
            self.head += part[: 1 << 16]
        self._digest.update(part)
        try:
            self._file.write(part)
        except OSError as error:
            raise _unavailable(error) from error
        return len(part)

    def keep(self, collection_id: int) -> Bytes:
        """Make it durable: fsync and rename; it is there for good when this returns.

        Raises:
            TooLarge: it is longer than it may be.
            IndexUnavailable: it cannot be written.
        """
        if self.size > self._most:
            raise TooLarge(
                f"It has {self.size:,} bytes; at most {self._most:,} (LAMINA_FILES_BYTES)."
            )
        file, self._file = self._file, None
        if file is None:
            raise ValueError("It was kept or dropped before.")
        sha256 = self._digest.hexdigest()
        key = f"{collection_id}/{sha256}.{secrets.token_hex(8)}"
        try:
            with file:
                file.flush()
                os.fsync(file.fileno())
            target = self._folder / key
            _make_folders(target.parent)
            self._path.rename(target)
            _sync(target.parent)
        except OSError as error:
            raise _unavailable(error) from error
        return Bytes(key=key, sha256=sha256, size=self.size)

    def drop(self) -> None:
        """Let it go, unless it was kept."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            self._path.unlink(missing_ok=True)


def _make_folders(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(error: OSError) -> IndexUnavailable:
    return IndexUnavailable(f"The file cannot be stored: {error.strerror or error}.")
