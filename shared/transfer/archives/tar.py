"""A tar file with known members in a known order, written and read front to back.

Python's `tarfile` follows links, long names and extended headers before it can be asked not to;
here only its parser of one 512-byte header is used, and a header that is not a plain file of
the expected name ends the reading.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from shared.errors import ArchiveRefused

_BLOCK = 512
_RECORD = 20 * _BLOCK  # what tar programs pad a file to
_READ = 1 << 20


class TarWriter:
    """Writes plain files to a tar. Equal contents give equal bytes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._written = 0

    def add(self, name: str, size: int, parts: Iterable[bytes]) -> str:
        """Write a file of *size* bytes; return its sha256.

        Raises:
            ValueError: *parts* are not of that size together.
        """
        info = tarfile.TarInfo(name)
        info.size = size
        self._write(info.tobuf(tarfile.GNU_FORMAT))
        digest, left = hashlib.sha256(), size
        for part in parts:
            digest.update(part)
            left -= len(part)
            self._write(part)
        if left:
            msg = f"{name} was to have {size} bytes, not {size - left}."
            raise ValueError(msg)
        self._write(bytes(-size % _BLOCK))
        return digest.hexdigest()

    def end(self) -> None:
        """Write what ends a tar."""
        self._write(bytes(2 * _BLOCK))
        self._write(bytes(-self._written % _RECORD))

    def _write(self, part: bytes) -> None:
        self._out.write(part)
        self._written += len(part)


class Part:
    """One file inside a tar while it is read, hashed as far as it was read."""

    def __init__(self, file: BinaryIO, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.left = size
        self._file = file
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Checksum of what was read so far."""
        return self._digest.hexdigest()

    def read(self, count: int = -1, /) -> bytes:
        """Return the next *count* bytes, fewer at its end; all that is left if negative.

        Raises:
            ArchiveRefused: the tar ends before the file does.
        """
        wanted = self.left if count < 0 else min(count, self.left)
        content = self._file.read(wanted)
        if len(content) != wanted:
            raise ArchiveRefused(f"The archive is cut off inside {self.name}.")
        self.left -= wanted
        self._digest.update(content)
        return content

    def lines(self, limit: int) -> Iterator[bytes]:
        """Yield its lines without their ends.

        Raises:
            ArchiveRefused: a line is longer than *limit* bytes, or the last one has no end.
        """
        rest, number = b"", 0
        while self.left:
            *lines, rest = (rest + self.read(_READ)).split(b"\n")
            for line in lines:
                number += 1
                yield line
            if len(rest) > limit:
                raise ArchiveRefused(f"{self.name}:{number + 1}: longer than {limit} bytes.")
        if rest:
            raise ArchiveRefused(f"{self.name}: its last line is cut off.")

    def skip(self) -> None:
        """Read on to its end."""
        while self.left:
            self.read(_READ)


def parts(file: BinaryIO, names: Iterable[str]) -> Iterator[Part]:
    """Yield the files called *names*, which are all there may be, in this order.

    Whatever the caller does not read of one is read before the next.

    Raises:
        ArchiveRefused: another order or name, a link or folder, bytes after the end, cut off.
    """
    for name in names:
        part = Part(file, name, _read_size(file, name))
        yield part
        part.skip()
        _zeros(file, -part.size % _BLOCK, f"after {name}")
    _zeros(file, 2 * _BLOCK, "at its end")
    rest = file.read(_RECORD + 1)
    if len(rest) > _RECORD or rest.strip(b"\0"):
        raise ArchiveRefused("The archive goes on after its end.")


def _read_size(file: BinaryIO, name: str) -> int:
    header = file.read(_BLOCK)
    if not header.strip(b"\0"):
        raise ArchiveRefused(f"The archive ends before {name}.")
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise ArchiveRefused(f"The archive is no tar file where {name} should be.") from error
    if info.name != name:
        raise ArchiveRefused(f"The archive holds {info.name!r} where {name} should be.")
    if info.type != tarfile.REGTYPE:
        raise ArchiveRefused(f"{name} in the archive is not a plain file.")
    if info.size < 0:
        raise ArchiveRefused(f"{name} in the archive has a negative size.")
    return info.size


def _zeros(file: BinaryIO, count: int, where: str) -> None:
    found = file.read(count)
    if len(found) != count:
        raise ArchiveRefused(f"The archive is cut off {where}.")
    if found.strip(b"\0"):
        raise ArchiveRefused(f"The archive holds something unexpected {where}.")
