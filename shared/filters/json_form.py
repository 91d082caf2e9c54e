"""Read a filter from JSON: the tree that its text would be read into.

Each object has one name, the operator: `{"and": [F, …]}`, `{"or": [F, …]}`, `{"not": F}`,
`{"exists": P}`, `{">=": [P, 2020]}` (and `=`, `!=`, `<`, `<=`, `>`), `{"in": [P, ["en", "fr"]]}`,
`{"prefix": [P, "Mc"]}`. A path P is text, `"author.name"`, or a list of names.
"""

import math
from collections.abc import Mapping

from shared.domain import Json
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
from shared.filters.text_form import read_path, read_text

_PAIR = 2


class _Fault(Exception):
    def __init__(self, pointer: str, detail: str) -> None:
        self.pointer = pointer
        self.detail = detail
        super().__init__(detail)


def read_json(value: Json, limits: FilterLimits, *, pointer: str = "/filter") -> Filter:
    """Return the filter that a JSON value says; a string is one in words.

    Raises:
        InvalidRequest: it says none, or too much; with a JSON pointer that begins with *pointer*.
    """
    if isinstance(value, str):
        return read_text(value, limits, pointer=pointer)
    try:
        return _Reader(limits).read(value, pointer)
    except _Fault as fault:
        raise InvalidRequest(
            f"{fault.pointer}: {fault.detail}.", [Fault(fault.pointer, fault.detail)]
        ) from None


class _Reader:
    """Reads one tree; every fault knows its pointer."""

    def __init__(self, limits: FilterLimits) -> None:
        self._limits = limits
        self._meter = Meter(limits)
        self._characters = 0

    def read(self, value: Json, pointer: str) -> Filter:
        if not isinstance(value, Mapping) or len(value) != 1:
            raise _Fault(pointer, "must be an object with one name, an operator such as `and`")
        ((name, given),) = value.items()
        inside = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        try:
            self._meter.node()
            self._meter.descend()
        except Refused as error:
            raise _Fault(inside, str(error)) from None
        found = self._operator(name, given, inside)
        self._meter.ascend()
        return found

    def _operator(self, name: str, given: Json, pointer: str) -> Filter:  # noqa: PLR0911 - one a kind of condition
        match name:
            case "and":
                return And(self._parts(given, pointer))
            case "or":
                return Or(self._parts(given, pointer))
            case "not":
                return Not(self.read(given, pointer))
            case "exists":
                return Exists(self._path(given, pointer))
            case "in":
                path, values = self._pair(given, pointer)
                return Within(path, self._values(values, f"{pointer}/1"))
            case "prefix":
                path, text = self._pair(given, pointer)
                if not isinstance(text, str):
                    raise _Fault(f"{pointer}/1", "must be a string")
                return Prefix(path, self._text(text, f"{pointer}/1"))
            case _ if name in list(Op):
                path, value = self._pair(given, pointer)
                return self._comparison(path, Op(name), value, f"{pointer}/1")
        known = ", ".join(f"`{one}`" for one in ("and", "or", "not", "exists", "in", "prefix", *Op))
        raise _Fault(pointer, f"is no operator; there are {known}")

    def _parts(self, given: Json, pointer: str) -> tuple[Filter, ...]:
        if not isinstance(given, list) or not given:
            raise _Fault(pointer, "must be a list of at least one filter")
        return tuple(self.read(one, f"{pointer}/{place}") for place, one in enumerate(given))

    def _pair(self, given: Json, pointer: str) -> tuple[Path, Json]:
        if not isinstance(given, list) or len(given) != _PAIR:
            raise _Fault(pointer, "must be a list of a field and what it is compared with")
        return self._path(given[0], f"{pointer}/0"), given[1]

    def _path(self, given: Json, pointer: str) -> Path:
        if isinstance(given, str):
            try:
                return read_path(self._text(given, pointer))
            except ValueError as error:
                raise _Fault(pointer, str(error)) from None
        if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
            return tuple(self._text(str(one), pointer) for one in given)
        raise _Fault(pointer, "must be the name of a field, or a list of names")

    def _values(self, given: Json, pointer: str) -> tuple[Value, ...]:
        if not isinstance(given, list) or not given:
            raise _Fault(pointer, "must be a list of at least one value")
        values = []
        for place, one in enumerate(given):
            try:
                self._meter.value()
            except Refused as error:
                raise _Fault(pointer, str(error)) from None
            values.append(self._value(one, f"{pointer}/{place}"))
        return tuple(values)

    def _comparison(self, path: Path, op: Op, given: Json, pointer: str) -> Compare:
        value = self._value(given, pointer)
        try:
            check_comparison(op, value)
        except Refused as error:
            raise _Fault(pointer, str(error)) from None
        return Compare(path, op, value)

    def _value(self, given: Json, pointer: str) -> Value:
        if isinstance(given, str):
            return self._text(given, pointer)
        if given is None or isinstance(given, bool):
            return given
        if isinstance(given, int | float):
            return self._number(given, pointer)
        raise _Fault(pointer, "must be a string, a number, true, false or null")

    def _number(self, given: float, pointer: str) -> float:
        try:
            number = float(given)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise _Fault(pointer, "is too large a number")
        return number

    def _text(self, text: str, pointer: str) -> str:
        self._characters += len(text)
        if self._characters > self._limits.characters:
            raise _Fault(pointer, f"the filter has more than {self._limits.characters} characters")
        if "\x00" in text:
            raise _Fault(pointer, "holds a NUL character")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Fault(pointer, "holds half of a surrogate pair") from None
        return text
