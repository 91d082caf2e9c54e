"""A disk that knows what would be left if the power failed right now.

Beside the real files it keeps, for every file, its content as of its last fsync, and for every
folder, its names as of its own last fsync. What a disk holds after a cut lies between two ends:
nothing but what was synced (`Flushed.LEAST`), or also every name that was given since, with the
content it had when that was last synced (`Flushed.MOST`): a file whose name got through and whose
content did not is there and empty, as ext4 and xfs may leave it. `Flushed.SOME` draws the names
that got through.

A test does not stop at a cut. It lets the work go on and keeps, for every step, the disk and the
catalog of that moment: so nothing that would run only after the cut can help.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias
from unittest.mock import patch

from shared.index.disk import Disk


class Flushed(StrEnum):
    """Which of the names that were never synced a cut leaves."""

    LEAST = "least"
    MOST = "most"
    SOME = "some"


Left: TypeAlias = Mapping[str, bytes | None]
"""What a disk holds: content by path; None for a folder."""


@dataclass(eq=False)
class _File:
    written: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


@dataclass(eq=False)
class _Folder:
    names: "dict[str, _File | _Folder]" = field(default_factory=dict)
    synced: "dict[str, _File | _Folder]" = field(default_factory=dict)


class PowerDisk(Disk):
    """A disk below *root*, an existing folder. For one thread.

    Only `os.fsync` makes anything durable here: a disk whose methods no longer call it is caught.

    Args:
        root: everything outside is taken to be durable.
        before: called before each step that changes or syncs the disk, with its name.
    """

    def __init__(self, root: Path, before: Callable[[str], None] = lambda _step: None) -> None:
        self._root = root
        self._before = before
        self._tree = _Folder()
        self._open: dict[int, _File] = {}
        self._syncing: _File | _Folder | None = None

    def make_folder(self, path: Path) -> None:
        self._before(f"make folder {path.name}")
        super().make_folder(path)
        self._folder(path.parent).names[path.name] = _Folder()

    def create(self, path: Path) -> int:
        self._before(f"create {path.name}")
        descriptor = super().create(path)
        file = _File()
        self._open[descriptor] = file
        self._folder(path.parent).names[path.name] = file
        return descriptor

    def write(self, descriptor: int, content: bytes | memoryview) -> None:
        self._before("write")
        super().write(descriptor, content)
        self._open[descriptor].written += bytes(content)

    def sync(self, descriptor: int) -> None:
        if self._syncing is not None:  # the second half of sync_folder
            self._sync(descriptor)
            return
        self._before("sync")
        self._syncing = self._open[descriptor]
        self._sync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self._before(f"sync folder {path.name}")
        self._syncing = self._folder(path) if path.is_relative_to(self._root) else _Folder()
        super().sync_folder(path)
        self._syncing = None

    def rename(self, old: Path, new: Path) -> None:
        self._before(f"rename {new.name}")
        super().rename(old, new)
        moved = self._folder(old.parent).names.pop(old.name)
        self._folder(new.parent).names[new.name] = moved

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder and, one by one, all in it."""
        above = self._folder(path.parent)
        going = above.names.get(path.name)
        if isinstance(going, _Folder):
            for name in sorted(going.names):
                self._before(f"remove {path.name}/{name}")
                del going.names[name]
        self._before(f"remove {path.name}")
        super().remove(path)
        above.names.pop(path.name, None)

    def left(self, flushed: Flushed, seed: int = 0) -> Left:
        """Return what is left if the power fails now; *seed* is for `Flushed.SOME`."""
        found: dict[str, bytes | None] = {}
        _collect(self._tree, "", found, flushed, random.Random(seed))
        return found

    def _sync(self, descriptor: int) -> None:
        with (
            patch("os.fsync", self._flush),
            patch("shared.index.disk._FULL_SYNC", None),
        ):
            super().sync(descriptor)
        self._syncing = None

    def _flush(self, _descriptor: int) -> None:
        match self._syncing:
            case _File() as file:
                file.synced = bytes(file.written)
            case _Folder() as folder:
                folder.synced = dict(folder.names)

    def _folder(self, path: Path) -> _Folder:
        folder = self._tree
        for name in path.relative_to(self._root).parts:
            below = folder.names[name]
            if not isinstance(below, _Folder):
                raise NotADirectoryError(path)
            folder = below
        return folder


def restore(left: Left, root: Path) -> None:
    """Write what a cut left below *root*, an existing folder."""
    for path, content in sorted(left.items()):
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)


def _collect(
    folder: _Folder,
    prefix: str,
    found: dict[str, bytes | None],
    flushed: Flushed,
    draw: random.Random,
) -> None:
    for name in sorted({*folder.names, *folder.synced}):
        node = _surviving(folder, name, flushed, draw)
        if node is None:
            continue
        path = os.path.join(prefix, name)  # noqa: PTH118 - a key, not a path
        if isinstance(node, _File):
            found[path] = node.synced
        else:
            found[path] = None
            _collect(node, path, found, flushed, draw)


def _surviving(
    folder: _Folder, name: str, flushed: Flushed, draw: random.Random
) -> _File | _Folder | None:
    synced, now = folder.synced.get(name), folder.names.get(name)
    if flushed is Flushed.SOME:
        return draw.choice([synced, now])
    return synced if flushed is Flushed.LEAST else now
