"""The system calls that change files, one method each.

Everything the index writes passes here, so a test can count, fail or forget each step.
"""

import fcntl
import os
import shutil
from pathlib import Path

# A plain fsync on macOS stops at the drive's cache.
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


class Disk:
    """A local or shared POSIX file system. Every method may raise `OSError`."""

    def make_folder(self, path: Path) -> None:
        """Create one folder; its parent must exist."""
        path.mkdir()

    def create(self, path: Path) -> int:
        """Create a file that must not exist; return its descriptor, open for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def write(self, descriptor: int, content: bytes | memoryview) -> None:
        """Append all of *content* (bytes)."""
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Make the file's content survive a power cut. After an error the file is lost."""
        if _FULL_SYNC is None:
            os.fsync(descriptor)
        else:
            fcntl.fcntl(descriptor, _FULL_SYNC)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder survive a power cut."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Give a finished file or folder its name."""
        old.rename(new)

    def remove(self, path: Path) -> None:
        """Remove a file or a folder with all in it; nothing happens if there is none."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
