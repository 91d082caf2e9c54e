"""Plain text and Markdown."""

import re
from collections.abc import Iterator

from shared.domain import FileFault, FilePart, PlaceKind
from shared.errors import FileRefused
from shared.files.decoding import decode
from shared.files.names import stem_of
from shared.files.texts import Source, check_length, shorten

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_FRONT = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)


def read_text(source: Source) -> Iterator[FilePart]:
    """Yield a plain text as one document, called like its file."""
    text = decoded(source)
    yield FilePart(
        document={"title": stem_of(source.name), "text": text, "metadata": {}},
        file_kind=source.notes.kind,
    )


def read_markdown(source: Source) -> Iterator[FilePart]:
    """Yield a Markdown text as one document, as it was written, with its headings marked."""
    text = decoded(source)
    front = _FRONT.match(text)
    named = _TITLE.search(front[1]) if front else None
    text = text[front.end() :].lstrip("\n") if front else text
    if not text.strip():
        raise FileRefused("There is no text in it.", fault=FileFault.NO_TEXT)
    marks = [(start, label) for start, _, label in headings(text)]
    first = next((label for _, level, label in headings(text) if level == 1), "")
    title = named[1].strip("\"' ") if named else first
    yield FilePart(
        document={"title": shorten(title) or stem_of(source.name), "text": text, "metadata": {}},
        file_kind=source.notes.kind,
        place_kind=PlaceKind.HEADING if marks else None,
        marks=tuple(marks),
    )


def decoded(source: Source) -> str:
    """Return the text of a file, its encoding noted.

    Raises:
        FileRefused: it is blank, or too long.
    """
    found = decode(source.raw)
    source.notes.encoding = found.encoding
    if found.warning:
        source.notes.warnings.append(found.warning)
    text = _CONTROL.sub("", found.text).strip("\n")
    if not text.strip():
        raise FileRefused("There is no text in it.", fault=FileFault.NO_TEXT)
    if not source.notes.kind.tabular:
        check_length(len(text), source.limits)
    return text


def headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield first character, level and words of each heading, those in code left out.

    Source: CommonMark 0.31, sections 4.2 (ATX), 4.3 (setext) and 4.5 (fenced code).
    """
    place, fence = 0, ""
    before: tuple[int, str] | None = None  # a line that may be underlined
    for line in text.split("\n"):
        fenced, atx, under = _FENCE.match(line), _ATX.match(line), _SETEXT.match(line)
        here, before = before, None
        if fence:
            if fenced and fenced[1].startswith(fence):
                fence = ""
        elif fenced:
            fence = fenced[1]
        elif atx and atx[2]:
            yield place, len(atx[1]), shorten(atx[2])
        elif under and here:
            yield here[0], 1 if under[1][0] == "=" else 2, shorten(here[1])
        elif line.strip() and not atx:
            before = (place, line)
        place += len(line) + 1
