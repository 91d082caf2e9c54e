"""Read a filter from text: `year >= 2020 and (lang = "de" or lang in ["en", "fr"])`.

    filter     = all *("or" all)
    all        = one *("and" one)
    one        = "not" one / "(" filter ")" / "exists" "(" path ")" / condition
    condition  = path ("=" / "!=" / "<" / "<=" / ">" / ">=") value
               / path ["not"] "in" "[" value *("," value) "]"
               / path "prefix" string
    path       = name *("." name)
    name       = word / string
    value      = string / number / "true" / "false" / "null"

Strings are in double quotes, with the escapes of JSON. A word is letters, digits, `_` and `-`, and
does not begin with a digit; a field called like a keyword is written as a string.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from shared.domain.filters import (
    And,
    Compare,
    Exists,
    Filter,
    FilterLimits,
    Not,
    Op,
    Or,
    Path,
    Prefix,
    Value,
    Within,
)
from shared.errors import Fault, InvalidRequest
from shared.filters.limits import Meter, Refused, check_comparison

_KEYWORDS = frozenset({"and", "or", "not", "in", "prefix", "true", "false", "null"})
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.]))
    | (?P<word>[^\W\d][\w-]*)
    | (?P<sign><=|>=|!=|[=<>()\[\],.])""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """`string`, `number`, `word`, `sign` or `end`."""
    text: str
    column: int
    """From 1."""

    @property
    def shown(self) -> str:
        return "the end" if self.kind == "end" else f"`{self.text:.40}`"

    def says(self, *words: str) -> bool:
        """Whether it is one of these keywords or signs."""
        return self.kind in ("word", "sign") and self.text.lower() in words


class _Fault(Exception):
    def __init__(self, column: int, detail: str) -> None:
        self.column = column
        self.detail = detail
        super().__init__(detail)


def read_text(text: str, limits: FilterLimits, *, pointer: str = "/filter") -> Filter:
    """Return the filter that *text* says.

    Raises:
        InvalidRequest: it says none, or too much; with the column, and *pointer*.
    """
    if len(text) > limits.characters:
        detail = f"has {len(text)} characters; at most {limits.characters}"
        raise InvalidRequest(f"The filter {detail}.", [Fault(pointer, detail)])
    try:
        return _Reader(text, limits).read()
    except _Fault as fault:
        detail = f"column {fault.column}: {fault.detail}"
        raise InvalidRequest(f"The filter, {detail}.", [Fault(pointer, detail)]) from None


def read_path(text: str) -> Path:
    """Return the path that *text* says: `author.name`, or `"odd name".x`.

    Raises:
        ValueError: it says none; with the column.
    """
    try:
        reader = _Reader(text, FilterLimits(characters=len(text), nodes=1, values=0))
        path = reader.path()
        reader.finish()
    except _Fault as fault:
        raise ValueError(f"column {fault.column}: {fault.detail}") from None
    return path


class _Reader:
    """Reads one text from left to right; every fault knows its column."""

    def __init__(self, text: str, limits: FilterLimits) -> None:
        self._meter = Meter(limits)
        self._tokens = list(_tokens(text))
        self._place = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def read(self) -> Filter:
        """Return the filter."""
        found = self._any()
        self.finish()
        return found

    def finish(self) -> None:
        """Make sure that nothing is left."""
        if self._next.kind != "end":
            self._expected("the end, `and` or `or`")

    def _any(self) -> Filter:
        parts = self._joined(self._all, "or")
        return parts[0] if len(parts) == 1 else Or(parts)

    def _all(self) -> Filter:
        parts = self._joined(self._one, "and")
        return parts[0] if len(parts) == 1 else And(parts)

    def _joined(self, part: Callable[[], Filter], word: str) -> tuple[Filter, ...]:
        parts = [part()]
        while self._next.says(word):
            if len(parts) == 1:
                self._count()
            self._take()
            parts.append(part())
        return tuple(parts)

    def _one(self) -> Filter:
        token = self._next
        if token.says("("):
            return self._inside()
        if token.says("not"):
            self._count()
            self._deeper()
            self._take()
            found = Not(self._one())
            self._meter.ascend()
            return found
        self._count()
        if token.says("exists") and self._tokens[self._place + 1].says("("):
            self._take()
            self._take()
            path = self.path()
            self._sign(")")
            return Exists(path)
        return self._condition()

    def _inside(self) -> Filter:
        self._deeper()
        self._take()
        found = self._any()
        self._sign(")")
        self._meter.ascend()
        return found

    def _condition(self) -> Filter:
        path = self.path()
        if self._next.says(*Op):
            return self._comparison(path, Op(self._take().text))
        if self._next.says("in"):
            return Within(path, self._values())
        if self._next.says("not") and self._tokens[self._place + 1].says("in"):
            self._count()
            self._take()
            return Not(Within(path, self._values()))
        if self._next.says("prefix"):
            self._take()
            return Prefix(path, self._string("a string in double quotes"))
        return self._expected("`=`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in` or `prefix`")

    def _comparison(self, path: Path, op: Op) -> Compare:
        column = self._next.column
        value = self._value()
        try:
            check_comparison(op, value)
        except Refused as error:
            raise _Fault(column, str(error)) from None
        return Compare(path, op, value)

    def path(self) -> Path:
        """Read names with dots between them."""
        names = [self._name()]
        while self._next.says("."):
            self._take()
            names.append(self._name())
        return tuple(names)

    def _name(self) -> str:
        token = self._next
        if token.kind == "string":
            return self._string("the name of a field")
        if token.kind == "word" and token.text.lower() in _KEYWORDS:
            raise _Fault(
                token.column,
                f"expected the name of a field, found the keyword `{token.text}`; "
                f'write "{token.text}" for a field of that name',
            )
        if token.kind != "word":
            self._expected("the name of a field")
        return self._take().text

    def _values(self) -> tuple[Value, ...]:
        self._sign("in")
        self._sign("[")
        values = [self._listed()]
        while self._next.says(","):
            self._take()
            values.append(self._listed())
        self._sign("]")
        return tuple(values)

    def _listed(self) -> Value:
        column = self._next.column
        value = self._value()
        self._checked(column, self._meter.value)
        return value

    def _value(self) -> Value:
        token = self._next
        if token.kind == "string":
            return self._string("a value")
        if token.kind == "number":
            number = float(self._take().text)
            if math.isinf(number):
                raise _Fault(token.column, "the number is too large")
            return number
        if token.kind == "word" and token.text.lower() in _CONSTANTS:
            return _CONSTANTS[self._take().text.lower()]
        if token.kind == "word":
            self._expected(
                "a value: strings are in double quotes, the others are numbers, "
                "true, false and null"
            )
        return self._expected("a value")

    def _string(self, what: str) -> str:
        token = self._next
        if token.kind != "string":
            self._expected(what)
        self._take()
        try:
            text: str = json.loads(token.text)
            text.encode()
        except UnicodeEncodeError:
            raise _Fault(token.column, "the string holds half of a surrogate pair") from None
        except ValueError as error:
            column = token.column + getattr(error, "pos", 0)
            raise _Fault(
                column, "the string has an escape or a character unknown to JSON"
            ) from None
        if "\x00" in text:
            raise _Fault(token.column, "the string holds a NUL character")
        return text

    def _sign(self, sign: str) -> None:
        if not self._next.says(sign):
            self._expected(f"`{sign}`")
        self._take()

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._place += 1
        return token

    def _count(self) -> None:
        self._checked(self._next.column, self._meter.node)

    def _deeper(self) -> None:
        self._checked(self._next.column, self._meter.descend)

    def _checked(self, column: int, count: Callable[[], None]) -> None:
        try:
            count()
        except Refused as error:
            raise _Fault(column, str(error)) from None

    def _expected(self, what: str) -> NoReturn:
        raise _Fault(self._next.column, f"expected {what}, found {self._next.shown}")


def _tokens(text: str) -> Iterator[_Token]:
    place = _skip(text, 0)
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise _Fault(place + 1, _strange(text[place:]))
        yield _Token(found.lastgroup, found.group(), place + 1)
        place = _skip(text, found.end())
    yield _Token("end", "", len(text) + 1)


def _skip(text: str, place: int) -> int:
    blank = _BLANK.match(text, place)
    return blank.end() if blank else place


def _strange(rest: str) -> str:
    if rest.startswith('"'):
        return "the string has no end"
    if rest.startswith("'"):
        return "strings are in double quotes"
    if re.match("-?[0-9]", rest):
        return "this is not a number as JSON writes it"
    return f"`{rest[0]}` has no meaning here"
