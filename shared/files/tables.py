"""Tables: CSV, TSV and JSON Lines, a document a row."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from shared.domain import Columns, FileFault, FileKind, FilePart, Json, PlaceKind
from shared.errors import FileRefused
from shared.files.plain import decoded
from shared.files.texts import Source

Row = Mapping[str, Json]

_IDS = ("id", "_id", "key", "uuid", "guid", "identifier")
_TITLES = ("title", "name", "headline", "subject", "heading")
_TEXTS = ("text", "body", "content", "description", "abstract", "summary", "message", "comment")
_SAMPLE = 200
"""Rows that are looked at where no column is called like a text."""
_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which column is what."""

    id: str | None
    title: str | None
    text: tuple[str, ...]

    @property
    def taken(self) -> frozenset[str]:
        """Columns that are not metadata."""
        return frozenset(one for one in (self.id, self.title, *self.text) if one is not None)


def read_table(source: Source) -> Iterator[FilePart]:
    """Yield each row of a CSV or TSV text as a document; its first row names the columns.

    A column of which every value is a number, or true or false, becomes one in the metadata;
    empty values are left out.
    """
    text = decoded(source)
    delimiter = "\t" if source.notes.kind is FileKind.TSV else _delimiter(text)
    names = _names(text, delimiter)
    plan = _plan(source, names, lambda: islice(_rows(text, delimiter, names), _SAMPLE))
    typed = _types(_rows(text, delimiter, names), [one for one in names if one not in plan.taken])
    for number, row in enumerate(_checked(source, text, delimiter, names), start=2):
        _bound(number - 1, source)
        if row is None:
            continue
        values = {name: typed[name](value) for name, value in row.items() if name in typed}
        known: dict[str, Json] = {
            name: value for name, value in values.items() if value is not None
        }
        yield from _part(source, number, row, known, plan)


def read_lines(source: Source) -> Iterator[FilePart]:
    """Yield each line of a JSON Lines text as a document.

    Fields are columns: those of an object `metadata` and all that have no other part are metadata.
    """
    lines = decoded(source).split("\n")
    first = [row for row in map(_object, islice(lines, _SAMPLE)) if isinstance(row, Mapping)]
    names = list(dict.fromkeys(name for row in first for name in row))
    plan = _plan(source, names, lambda: iter(first))
    for number, line in enumerate(lines, start=1):
        _bound(number, source)
        if not line.strip():
            continue
        row = _object(line)
        if isinstance(row, str):
            source.notes.leave_out(f"line {number}", row)
            continue
        own = row.get("metadata")
        extra = dict(own) if isinstance(own, Mapping) else {}
        taken = plan.taken | ({"metadata"} if isinstance(own, Mapping) else frozenset())
        extra |= {name: value for name, value in row.items() if name not in taken}
        yield from _part(source, number, row, extra, plan)


def _part(
    source: Source, number: int, row: Row, metadata: dict[str, Json], plan: _Plan
) -> Iterator[FilePart]:
    """Yield the document of a row, unless there is nothing in it."""
    lines = source.notes.kind is FileKind.JSONL
    where = f"{'line' if lines else 'row'} {number}"
    text = "\n\n".join(said for name in plan.text if (said := _words(row.get(name))))
    title = _words(row.get(plan.title)) if plan.title else ""
    if not text and not title:
        source.notes.leave_out(where, "has neither a text nor a title")
        return
    given = row.get(plan.id) if plan.id else None
    document: dict[str, Json] = {"title": title, "text": text, "metadata": metadata}
    if given not in (None, ""):
        document["id"] = given.strip() if isinstance(given, str) else given
    yield FilePart(
        document=document,
        suffix=f"#{number}",
        where=where,
        file_kind=source.notes.kind,
        place_kind=PlaceKind.LINE if lines else PlaceKind.ROW,
        marks=((0, str(number)),),
    )


def _words(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value, ensure_ascii=False)


def _plan(source: Source, names: Sequence[str], sample: Callable[[], Iterator[Row]]) -> _Plan:
    """Say which column is what: as asked, or guessed by their names.

    Raises:
        FileRefused: a column was asked for that is not there.
    """
    columns = source.columns
    source.notes.names = tuple(names)
    asked = [one for one in (columns.id, columns.title, *columns.text) if one]
    if missing := [one for one in asked if one not in names]:
        listed = ", ".join(names[:20])
        raise FileRefused(
            f"There is no column {missing[0]!r}. There are: {listed}.", fault=FileFault.COLUMNS
        )
    own_id = _guess(names, _IDS) if columns.id is None else columns.id or None
    title = _guess(names, _TITLES) if columns.title is None else columns.title or None
    text = columns.text
    if not text:
        named = _guess([one for one in names if one not in (own_id, title)], _TEXTS)
        text = (named,) if named else _longest(sample, own_id, title)
    source.notes.columns = Columns(id=own_id or "", title=title or "", text=text)
    return _Plan(own_id, title, text)


def _guess(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    known = {name.strip().lower(): name for name in reversed(names)}
    return next((known[one] for one in wanted if one in known), None)


def _longest(sample: Callable[[], Iterator[Row]], *taken: str | None) -> tuple[str, ...]:
    """Return the column with the longest texts, if any has texts."""
    lengths: dict[str, int] = {}
    for row in sample():
        for name, value in row.items():
            if isinstance(value, str) and name not in taken and not _NUMBER.fullmatch(value):
                lengths[name] = lengths.get(name, 0) + len(value)
    return (max(lengths, key=lambda name: lengths[name]),) if lengths else ()


def _names(text: str, delimiter: str) -> list[str]:
    """Return the names of the columns.

    Raises:
        FileRefused: there are none, or two are the same.
    """
    try:
        first = next(_reader(text, delimiter), [])
    except csv.Error as error:
        raise FileRefused(f"It is no table: {error}.", fault=FileFault.DAMAGED) from error
    names = [name.strip() or f"column {place}" for place, name in enumerate(first, start=1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FileRefused(f"Two columns are called {twice!r}.", fault=FileFault.COLUMNS)
    return names


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(len(text) + 1)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _rows(text: str, delimiter: str, names: Sequence[str]) -> Iterator[Row]:
    """Yield the sound rows, to look at."""
    reader = _reader(text, delimiter)
    next(reader)
    try:
        for row in reader:
            if len(row) == len(names):
                yield dict(zip(names, row, strict=True))
    except csv.Error:
        return


def _checked(
    source: Source, text: str, delimiter: str, names: Sequence[str]
) -> Iterator[dict[str, str] | None]:
    """Yield every row behind the first; None for one that is blank or left out."""
    reader = _reader(text, delimiter)
    next(reader)
    number = 1
    try:
        for number, row in enumerate(reader, start=2):
            if not any(value.strip() for value in row):
                yield None
            elif len(row) != len(names):
                source.notes.leave_out(
                    f"row {number}", f"has {len(row)} values, and there are {len(names)} columns"
                )
                yield None
            else:
                yield dict(zip(names, row, strict=True))
    except csv.Error as error:
        source.notes.leave_out(f"row {number + 1} and all behind it", str(error))


def _types(rows: Iterator[Row], names: Sequence[str]) -> dict[str, Callable[[str], Json]]:
    """Return how values of each column become metadata."""
    numbers, truths = set(names), set(names)
    for row in rows:
        for name in numbers | truths:
            value = str(row[name]).strip()
            if value and not _NUMBER.fullmatch(value):
                numbers.discard(name)
            if value and value.lower() not in _TRUTHS:
                truths.discard(name)
        if not numbers and not truths:
            break
    return {
        name: _truth if name in truths else _number if name in numbers else _text for name in names
    }


def _truth(value: str) -> Json:
    return _TRUTHS.get(value.strip().lower())


def _number(value: str) -> Json:
    value = value.strip()
    if not value:
        return None
    return float(value) if "." in value else int(value)


def _text(value: str) -> Json:
    return value.strip() or None


def _delimiter(text: str) -> str:
    """Return what parts the columns: what the first line has most of outside quotes."""
    bare = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(_DELIMITERS, key=bare.count)


def _object(line: str) -> dict[str, Json] | str:
    """Return the object that a line is, or why it is none."""
    if not line.strip():
        return "is empty"
    try:
        found = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"is not valid JSON: {error}"
    return found if isinstance(found, dict) else "is no JSON object"


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _bound(number: int, source: Source) -> None:
    if number > source.limits.rows:
        raise FileRefused(
            f"It has more than {source.limits.rows:,} rows (LAMINA_FILES_ROWS); split it.",
            fault=FileFault.TOO_LARGE,
        )
