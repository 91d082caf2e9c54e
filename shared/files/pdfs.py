"""PDF: the text of each page, as pypdf finds it."""

import io
import re
from collections.abc import Iterator

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError, PyPdfError

from shared.domain import FileFault, FilePart, Json, PlaceKind
from shared.errors import FileRefused
from shared.files.texts import Source, Text

_HYPHEN = re.compile(r"(\w)[-\u00ad]\n(?=[a-zß-ÿ])")
_NAMED = 10
_FULL = 0.75
"""Of the longest line: how long one is that ends for want of space."""
_NO_TITLE = re.compile(
    r"(untitled|microsoft (word|powerpoint)\b.*|\S+\.(docx?|indd|tex|dvi|qxd))", re.IGNORECASE
)


def read_pdf(source: Source) -> Iterator[FilePart]:
    """Yield a PDF as one document, with the page that each part of its text is on.

    Raises:
        FileRefused: it needs a password, is damaged, has no text or too much of something.
    """
    try:
        yield _read(source)
    except LimitReachedError as error:
        raise FileRefused(
            "It unpacks to far more than its size, as a bomb does.", fault=FileFault.BOMB
        ) from error
    except (DependencyError, FileNotDecryptedError) as error:
        raise _encrypted() from error
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        # pypdf meets broken files with whatever its code runs into.
        raise FileRefused(
            f"It is damaged and cannot be read ({type(error).__name__}: {error})."[:300],
            fault=FileFault.DAMAGED,
        ) from error


def _read(source: Source) -> FilePart:
    reader = PdfReader(io.BytesIO(source.raw), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise _encrypted()
    count = len(reader.pages)
    if count > source.limits.pages:
        raise FileRefused(
            f"It has {count:,} pages; at most {source.limits.pages:,} (LAMINA_FILES_PAGES).",
            fault=FileFault.TOO_LARGE,
        )
    text, blank = Text(source), []
    for number, page in enumerate(reader.pages, start=1):
        said = _unwrapped(_HYPHEN.sub(r"\1", page.extract_text()))
        if said.strip():
            text.mark(str(number))
            text.add(said)
        else:
            blank.append(number)
    if not text.pieces:
        raise FileRefused(
            f"None of its {count:,} pages has text: they may be scanned. Recognise their text "
            "(OCR) first."
            if count
            else "It has no pages.",
            fault=FileFault.NO_TEXT,
        )
    if blank:
        source.notes.warnings.append(_blank(blank, count))
    about = reader.metadata
    author = _said(about.author if about else None)
    metadata: dict[str, Json] = {"pages": count} | ({"author": author} if author else {})
    title = _said(about.title if about else None)
    title = "" if _NO_TITLE.fullmatch(title) else title
    return text.whole(title=title, metadata=metadata, place_kind=PlaceKind.PAGE)


def _unwrapped(text: str) -> str:
    """Return a page's text with the lines of a paragraph joined.

    A line that is nearly as long as the longest was ended by the width of the page; a shorter one
    by whoever wrote it: a heading, an item of a list, the end of a paragraph.
    """
    lines = [line.strip() for line in text.split("\n")]
    long = _FULL * max(map(len, lines))
    joined = [line + (" " if len(line) >= long else "\n") for line in lines]
    return "".join(joined)


def _blank(pages: list[int], count: int) -> str:
    listed = ", ".join(map(str, pages[:_NAMED])) + (", …" if len(pages) > _NAMED else "")
    return (
        f"{len(pages):,} of {count:,} pages have no text ({listed}): they may be scanned pictures."
    )


def _said(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _encrypted() -> FileRefused:
    return FileRefused(
        "It is protected by a password; save it without one.", fault=FileFault.ENCRYPTED
    )
