"""What files are called: names become ids of documents, never paths on this machine."""

import re
import unicodedata

from shared.domain import FileFault
from shared.errors import FileRefused

_DRIVE = re.compile(r"^[A-Za-z]:")


def clean_name(raw: str, *, most: int) -> str:
    """Return a file's name as it is shown and stored, with `/` between folders.

    Args:
        raw: as a browser, a program or an archive says it.
        most: characters.

    Raises:
        FileRefused: it is empty, too long, leads out of its folder, or cannot be an id.
    """
    name = unicodedata.normalize("NFC", raw.replace("\\", "/")).strip()
    parts = name.split("/")
    if name.startswith("/") or _DRIVE.match(name) or ".." in parts:
        raise _bad(f"The name {_shown(raw)} leads out of its folder.")
    name = "/".join(part for part in parts if part not in ("", "."))
    if not name:
        raise _bad("The file has no name.")
    if len(name) > most:
        raise _bad(f"The name has {len(name)} characters; at most {most}.")
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in name):
        raise _bad(f"The name {_shown(raw)} holds control characters.")
    return name


def stem_of(name: str) -> str:
    """Return a file's name without folders and ending."""
    last = name.rpartition("/")[2]
    stem = last.rpartition(".")[0]
    return stem or last


def ending_of(name: str) -> str:
    """Return what stands behind the last dot, lower case; empty if nothing does."""
    last = name.rpartition("/")[2]
    return last.rpartition(".")[2].lower() if "." in last else ""


def _bad(words: str) -> FileRefused:
    return FileRefused(words, fault=FileFault.BAD_NAME)


def _shown(raw: str) -> str:
    return ascii(raw if len(raw) <= 80 else f"{raw[:80]}…")  # noqa: PLR2004 - a line
