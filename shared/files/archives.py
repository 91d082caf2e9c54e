"""ZIP archives: looked at before anything is unpacked, then unpacked within limits.

No name in an archive becomes a path here: members are written under numbers.
"""

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.domain import FileFault, FileKind, FileMember
from shared.errors import FileRefused
from shared.files.limits import FileLimits
from shared.files.names import clean_name
from shared.files.sniffing import HEAD_BYTES, sniff
from shared.files.texts import Source

_BLOCK = 1 << 16
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError),
    OSError,  # of bz2; what is read lies in memory
)
"""What the ways of packing raise where they cannot go on."""
_ENCRYPTED = 0x1  # PKWARE's APPNOTE 6.3.10, section 4.4.4: general purpose bit 0
_FREE_BYTES = 8 * 1024 * 1024
"""Unpacked bytes from where the ratio counts."""
_JUNK = ("__MACOSX/",)
_JUNK_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_OTHERS = {
    "xl/workbook.xml": "a spreadsheet. Save its tables as CSV",
    "ppt/presentation.xml": "a presentation. Save it as PDF",
    "content.xml": "an OpenDocument file. Save it as .docx or PDF",
    "META-INF/container.xml": "an e-book (EPUB). Its pages can be added as HTML",
}


def kind_of(raw: bytes) -> FileKind:
    """Return what a ZIP archive is: one, or a Word document.

    Raises:
        FileRefused: it is damaged, or another kind of document.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            names = frozenset(packed.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise FileRefused(f"It is a damaged ZIP archive: {error}.", fault=FileFault.DAMAGED) from (
            error
        )
    if "[Content_Types].xml" in names and "word/document.xml" in names:
        return FileKind.DOCX
    for name, what in _OTHERS.items():
        if name in names:
            raise FileRefused(f"It is {what}.", fault=FileFault.UNSUPPORTED)
    return FileKind.ZIP


def check_sizes(members: Sequence[zipfile.ZipInfo], limits: FileLimits) -> None:
    """Refuse an archive that says that it holds too much.

    Raises:
        FileRefused: too many members, or too many bytes, also for its own size.
    """
    if len(members) > limits.members:
        raise FileRefused(
            f"It holds {len(members):,} files; at most {limits.members:,} (LAMINA_FILES_MEMBERS).",
            fault=FileFault.TOO_MANY,
        )
    unpacked = sum(one.file_size for one in members)
    packed = sum(one.compress_size for one in members)
    _check_bytes(unpacked, packed, limits)


def unpack(source: Source, scratch: Path) -> Iterator[FileMember]:
    """Write the members of an archive that can be read to *scratch*; yield each.

    What cannot is left out, with its reason: other archives, pictures, names that lead out of
    the archive, members with a password.

    Raises:
        FileRefused: it is damaged, or holds too much.
    """
    with zipfile.ZipFile(io.BytesIO(source.raw)) as packed:
        members = [one for one in packed.infolist() if not one.is_dir() and not _is_junk(one)]
        if not members:
            raise FileRefused("The archive is empty.", fault=FileFault.EMPTY)
        check_sizes(members, source.limits)
        seen: set[str] = set()
        unpacked = 0
        for place, member in enumerate(members):
            try:
                name = _name(member, seen, source.limits)
                path = scratch / str(place)
                unpacked += _write(packed, member, path, source.limits.unpacked_bytes - unpacked)
                with path.open("rb") as file:
                    kind = sniff(file.read(HEAD_BYTES), name)
                if kind is FileKind.ZIP:
                    _refuse_nested(path)
            except FileRefused as error:
                if error.fault == FileFault.BOMB:
                    raise
                source.notes.leave_out(_shown(member), error.detail)
                continue
            yield FileMember(name=name, place=str(place))


def _refuse_nested(path: Path) -> None:
    if kind_of(path.read_bytes()) is FileKind.ZIP:
        raise FileRefused(
            "It is an archive in an archive; unpack it first.", fault=FileFault.NESTED
        )


def _name(member: zipfile.ZipInfo, seen: set[str], limits: FileLimits) -> str:
    if member.flag_bits & _ENCRYPTED:
        raise FileRefused("It is protected by a password.", fault=FileFault.ENCRYPTED)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise FileRefused("It is a link, not a file.", fault=FileFault.BAD_NAME)
    name = clean_name(member.filename, most=limits.name_characters)
    if name in seen:
        raise FileRefused("Another file of the archive has its name.", fault=FileFault.BAD_NAME)
    seen.add(name)
    if member.file_size > limits.file_bytes:
        raise FileRefused(
            f"It has {member.file_size:,} bytes; at most {limits.file_bytes:,} "
            "(LAMINA_FILES_BYTES).",
            fault=FileFault.TOO_LARGE,
        )
    return name


def _write(packed: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int) -> int:
    """Unpack a member; return its bytes. What it says of its size is not believed."""
    written = 0
    with path.open("wb") as out:
        for block in _blocks(packed, member):
            written += len(block)
            if written > min(left, member.file_size):
                raise FileRefused(
                    "It unpacks to more than it says, as a bomb does.", fault=FileFault.BOMB
                )
            out.write(block)
    return written


def _blocks(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield what a member holds.

    Raises:
        FileRefused: it is damaged.
    """
    try:
        with packed.open(member) as file:
            while block := file.read(_BLOCK):
                yield block
    except _DAMAGE as error:
        raise FileRefused(f"It is damaged: {error}.", fault=FileFault.DAMAGED) from error


def _check_bytes(unpacked: int, packed: int, limits: FileLimits) -> None:
    if unpacked > limits.unpacked_bytes:
        raise FileRefused(
            f"It unpacks to {unpacked:,} bytes; at most {limits.unpacked_bytes:,} "
            "(LAMINA_FILES_UNPACKED_BYTES).",
            fault=FileFault.BOMB,
        )
    if unpacked > _FREE_BYTES and unpacked > limits.ratio * max(packed, 1):
        raise FileRefused(
            f"It unpacks to more than {limits.ratio} times its size, as a bomb does "
            "(LAMINA_FILES_RATIO).",
            fault=FileFault.BOMB,
        )


def _is_junk(member: zipfile.ZipInfo) -> bool:
    """Whether a system put it there by itself."""
    last = member.filename.rpartition("/")[2]
    return member.filename.startswith(_JUNK) or last in _JUNK_NAMES


def _shown(member: zipfile.ZipInfo) -> str:
    return ascii(member.filename[:200])[1:-1]
