"""What a file is, by its first bytes.

The content decides. Only among plain texts, which have nothing that tells them apart, the ending of
the name does: a text called `.csv` is a table, and a picture called `.csv` is a picture.
"""

import json
import re

from shared.domain import FileFault, FileKind
from shared.errors import FileRefused
from shared.files.decoding import decode_head
from shared.files.names import ending_of

HEAD_BYTES = 8192
"""How much of a file is looked at."""

_ARCHIVES = "Only ZIP archives are unpacked"
_SOUND = "Sound and video have no text to search"
_PICTURE = "Pictures have no text to search; recognise their text (OCR) first"
# Signatures as https://www.garykessler.net/library/file_sigs.html lists them.
_KNOWN: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (b"GIF8", "a GIF picture", _PICTURE),
    (b"BM", "a BMP picture", _PICTURE),
    (b"II*\x00", "a TIFF picture", _PICTURE),
    (b"MM\x00*", "a TIFF picture", _PICTURE),
    (b"RIFF", "a picture, sound or video (RIFF)", _SOUND),
    (b"ID3", "sound (MP3)", _SOUND),
    (b"OggS", "sound (Ogg)", _SOUND),
    (b"\x1f\x8b", "packed with gzip", _ARCHIVES),
    (b"BZh", "packed with bzip2", _ARCHIVES),
    (b"\xfd7zXZ\x00", "packed with xz", _ARCHIVES),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _ARCHIVES),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _ARCHIVES),
    (b"Rar!\x1a\x07", "a RAR archive", _ARCHIVES),
    (b"\x7fELF", "a program", "Programs have no text to search"),
    (b"MZ", "a program", "Programs have no text to search"),
    (b"SQLite format 3\x00", "a database", "Save its tables as CSV"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Office file, or one with a password",
        "Save it as .docx or PDF, without a password",
    ),
    (b"{\\rtf", "rich text (RTF)", "Save it as .docx or PDF"),
    (b"%!PS", "PostScript", "Save it as PDF"),
)
_PDF = re.compile(rb"(?:\A|[\r\n\0])[ \t]*%PDF-\d")
_HTML = re.compile(r"<(!doctype html|html|head|body|title)\b", re.IGNORECASE)
_BY_ENDING = {
    "md": FileKind.MARKDOWN,
    "markdown": FileKind.MARKDOWN,
    "csv": FileKind.CSV,
    "tsv": FileKind.TSV,
    "tab": FileKind.TSV,
}


def sniff(head: bytes, name: str) -> FileKind:
    """Return what a file is; a Word document is a ZIP archive until it is opened.

    Args:
        head: its first `HEAD_BYTES` bytes.
        name: breaks the tie between plain texts.

    Raises:
        FileRefused: it is empty, or nothing that can be read.
    """
    if not head:
        raise FileRefused("The file is empty.", fault=FileFault.EMPTY)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return FileKind.ZIP  # first: it may hold a PDF that is not packed
    if _PDF.search(head[:1024]):  # readers accept it so late: ISO 32000-1, implementation note 13
        return FileKind.PDF
    for signature, what, advice in _KNOWN:
        if head.startswith(signature):
            raise _unsupported(f"It is {what}. {advice}.")
    if head[4:8] == b"ftyp":
        raise _unsupported(f"It is a video or a picture. {_SOUND}.")
    text = decode_head(head)
    if text is None:
        raise _unsupported("It is no text, and of no kind that Lamina reads.")
    return _text_kind(text, ending_of(name))


def _text_kind(text: str, ending: str) -> FileKind:
    beginning = text.lstrip("\ufeff \t\r\n")
    if not beginning:
        return FileKind.TEXT  # whether all of it is blank shows when it is read
    if _is_json_lines(beginning):
        return FileKind.JSONL
    if ending == "json":
        raise _unsupported("Of JSON, Lamina reads JSON Lines: a document a line (.jsonl).")
    if beginning.startswith("<") and _HTML.search(beginning[:2048]):
        return FileKind.HTML
    return _BY_ENDING.get(ending, FileKind.TEXT)


def _is_json_lines(beginning: str) -> bool:
    """Whether the first line is a JSON object, or the beginning of one that is long."""
    line, newline, _ = beginning.partition("\n")
    if not line.startswith("{"):
        return False
    if not newline and len(beginning) > HEAD_BYTES // 4:
        return bool(re.match(r'\{\s*"[^"\n]*"\s*:', line))
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _unsupported(words: str) -> FileRefused:
    return FileRefused(words, fault=FileFault.UNSUPPORTED)
