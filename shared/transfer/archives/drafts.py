"""New files outside the index: complete and on disk before they have their name."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""Ends the name of a file that is not complete yet."""

_PART_BYTES = 1 << 20


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to fill; on leaving the block it is durable and has, or replaces, *path*.

    After an error nothing is left. A process that dies leaves a file that ends in `.partial`.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=PARTIAL)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def parts_of(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in parts of at most a megabyte."""
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            yield part


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(path: Path) -> None:
    """Make a folder and those above it, each durable in its parent."""
    if not path.is_dir():
        make_folders(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)
