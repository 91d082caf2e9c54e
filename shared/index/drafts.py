"""New files, hashed while they are written, before they have a name."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shared.index.disk import Disk


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file must be: its size in bytes and its sha256."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the stamp of *content*."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


class Sink:
    """A new file, hashed while it is written."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._hash = hashlib.sha256()
        self._size = 0
        self._descriptor = disk.create(path)

    def write(self, content: bytes | memoryview) -> int:
        """Append *content*; return its length, as FAISS's writer asks."""
        self._disk.write(self._descriptor, content)
        self._hash.update(content)
        self._size += len(content)
        return len(content)

    @property
    def stamp(self) -> Stamp:
        """What was written so far."""
        return Stamp(self._size, self._hash.hexdigest())

    def sync(self) -> None:
        """Make it durable."""
        self._disk.sync(self._descriptor)

    def close(self) -> None:
        """Close the descriptor. Not a commit."""
        os.close(self._descriptor)


class FolderDraft:
    """A folder of files that has no name yet."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._path = path
        self._sinks: dict[str, Sink] = {}

    def create(self, name: str) -> Sink:
        """Return a new file in the folder, open until the folder is complete."""
        sink = Sink(self._disk, self._path / name)
        self._sinks[name] = sink
        return sink

    def stamps(self) -> dict[str, Stamp]:
        """Return what was written so far, by name, in the order of creation."""
        return {name: sink.stamp for name, sink in self._sinks.items()}

    def sync(self) -> None:
        """Make the files durable; all are written by now, so the disk can take them together."""
        for sink in self._sinks.values():
            sink.sync()

    def close(self) -> None:
        """Close every file."""
        for sink in self._sinks.values():
            sink.close()
