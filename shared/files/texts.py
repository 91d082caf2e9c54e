"""What all readers of formats share: parts being put together, and notes on the way."""

import re
from dataclasses import dataclass, field

from shared.domain import (
    Columns,
    FileFault,
    FileIssue,
    FileKind,
    FilePart,
    FileReading,
    Json,
    PlaceKind,
)
from shared.errors import FileRefused
from shared.files.limits import FileLimits
from shared.files.names import stem_of

_TOLD = 100
_LABEL = 120
"""Characters of a heading that are kept as a name."""
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\u00a0]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(slots=True)
class Notes:
    """What is noticed while a file is read."""

    kind: FileKind
    encoding: str | None = None
    skipped: int = 0
    issues: list[FileIssue] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    names: tuple[str, ...] = ()
    columns: Columns | None = None

    def leave_out(self, where: str, why: str) -> None:
        """Say that a part is left out; the first are kept word by word."""
        self.skipped += 1
        if len(self.issues) < _TOLD:
            self.issues.append(FileIssue(where=where, detail=why))

    def reading(self) -> FileReading:
        """Return it all."""
        return FileReading(
            kind=self.kind,
            encoding=self.encoding,
            skipped=self.skipped,
            issues=tuple(self.issues),
            warnings=tuple(self.warnings),
            names=self.names,
            columns=self.columns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to be read."""

    name: str
    raw: bytes
    columns: Columns
    limits: FileLimits
    notes: Notes


@dataclass(slots=True)
class Text:
    """A document's text being put together, with where its pages or headings begin."""

    source: Source
    pieces: list[str] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)
    length: int = 0

    def add(self, piece: str) -> None:
        """Append a paragraph, page or heading.

        Raises:
            FileRefused: the document has too much text.
        """
        clean = tidy(piece)
        if not clean:
            return
        if self.pieces:
            self.length += 2
        self.pieces.append(clean)
        self.length += len(clean)
        check_length(self.length, self.source.limits)

    def mark(self, label: str) -> None:
        """Say that what is added next begins a page or stands under a heading."""
        place = self.length + 2 * bool(self.pieces)
        if self.marks and self.marks[-1][0] == place:
            self.marks.pop()  # nothing stands in what was begun before
        self.marks.append((place, shorten(label)))

    def whole(
        self, *, title: str, metadata: dict[str, Json], place_kind: PlaceKind | None
    ) -> FilePart:
        """Return the document.

        Raises:
            FileRefused: there is no text in it.
        """
        text = "\n\n".join(self.pieces)
        if not text:
            raise FileRefused("There is no text in it.", fault=FileFault.NO_TEXT)
        title = shorten(tidy(title)) or stem_of(self.source.name)
        marks = tuple(one for one in self.marks if one[0] < len(text))
        return FilePart(
            document={"title": title, "text": text, "metadata": metadata},
            file_kind=self.source.notes.kind,
            place_kind=place_kind if marks else None,
            marks=marks,
        )


def tidy(text: str) -> str:
    """Return *text* without control characters, and with single blanks and empty lines."""
    text = _UNWANTED.sub("", text.replace("\r\n", "\n"))
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()


def shorten(label: str) -> str:
    """Return a name on one line, cut where it is long."""
    line = " ".join(_UNWANTED.sub("", label).split())
    return line if len(line) <= _LABEL else f"{line[: _LABEL - 1]}…"


def check_length(characters: int, limits: FileLimits) -> None:
    """Refuse a document with too much text.

    Raises:
        FileRefused: it is longer than `limits.text_characters`.
    """
    if characters > limits.text_characters:
        raise FileRefused(
            f"It has more than {limits.text_characters:,} characters of text "
            "(LAMINA_LIMITS_TEXT_CHARACTERS); split it.",
            fault=FileFault.TOO_MUCH_TEXT,
        )
