"""Conditions on the metadata of documents, as a frozen tree, and what they mean.

A path leads through objects by name. Lists are looked through: a comparison holds if it holds for
any element. Values are strings, numbers, booleans and null; a comparison with a value of another
type is false, as is one with what is not there.

Strings compare by code points, numbers as 64-bit floats (as in JavaScript: whole numbers past
2^53 may count as equal; keep ids in strings).
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from shared.domain.values import Json, Metadata

Path: TypeAlias = tuple[str, ...]
"""Names from the outside in, at least one."""

Value: TypeAlias = "str | float | bool | None"

Ordered = TypeVar("Ordered", str, float, bool)


class Kind(StrEnum):
    """The type of a value in metadata."""

    TEXT = "text"
    NUMBER = "number"
    TRUE = "true"
    FALSE = "false"
    NULL = "null"
    OBJECT = "object"
    LIST = "list"


class Op(StrEnum):
    """How a value is compared."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="

    @property
    def ordering(self) -> bool:
        """Whether it asks which of two is larger, which only strings and numbers know."""
        return self not in (Op.EQUAL, Op.UNEQUAL)

    def holds(self, found: Ordered, wanted: Ordered) -> bool:
        """Whether two values of one type compare so."""
        return _COMPARISONS[self](found, wanted)


_COMPARISONS: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.EQUAL: operator.eq,
    Op.UNEQUAL: operator.ne,
    Op.LESS: operator.lt,
    Op.AT_MOST: operator.le,
    Op.MORE: operator.gt,
    Op.AT_LEAST: operator.ge,
}


@dataclass(frozen=True, slots=True)
class And:
    """All of at least one."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of at least one."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite: true also where the field is missing or of another type."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class Compare:
    """Some value at the path is of the same type and compares so."""

    path: Path
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class Within:
    """Some value at the path equals one of at least one."""

    path: Path
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The path is there, whatever it holds: null and empty lists too."""

    path: Path


@dataclass(frozen=True, slots=True)
class Prefix:
    """Some string at the path begins so."""

    path: Path
    text: str


Filter: TypeAlias = And | Or | Not | Compare | Within | Exists | Prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterLimits:
    """How large a filter may be; see `LimitSettings`."""

    characters: int
    nodes: int
    """Conditions, and the `and`, `or` and `not` that join them."""
    values: int
    """In all `in` lists together."""


def kind_of(value: Json) -> Kind:
    """Return the type of a value."""
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.TRUE if value else Kind.FALSE
    if isinstance(value, int | float):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.TEXT
    return Kind.OBJECT if isinstance(value, Mapping) else Kind.LIST


def as_number(value: float) -> float:
    """Return a number as a 64-bit float; a whole number too large for one is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def values_at(metadata: Json, path: Path) -> Iterator[Json]:
    """Yield what *path* leads to; lists are looked through, only empty ones are values."""
    if isinstance(metadata, list | tuple):
        for one in metadata:
            yield from values_at(one, path)
        if not metadata and not path:
            yield metadata
    elif not path:
        yield metadata
    elif isinstance(metadata, Mapping) and path[0] in metadata:
        yield from values_at(metadata[path[0]], path[1:])


def matches(condition: Filter, metadata: Metadata) -> bool:  # noqa: PLR0911 - one a kind of condition
    """Whether *condition* holds for a document with this metadata."""
    match condition:
        case And(parts):
            return all(matches(part, metadata) for part in parts)
        case Or(parts):
            return any(matches(part, metadata) for part in parts)
        case Not(part):
            return not matches(part, metadata)
        case Exists(path):
            return any(True for _ in values_at(metadata, path))
        case Prefix(path, text):
            begins = (
                isinstance(one, str) and one.startswith(text) for one in values_at(metadata, path)
            )
            return any(begins)
        case Compare(path, op, value):
            return any(_compare(one, op, value) for one in values_at(metadata, path))
        case Within(path, values):
            found = tuple(values_at(metadata, path))
            return any(_compare(one, Op.EQUAL, value) for one in found for value in values)


def _compare(found: Json, op: Op, wanted: Value) -> bool:
    if isinstance(wanted, bool):
        return isinstance(found, bool) and op.holds(found, wanted)
    if isinstance(wanted, int | float):
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        return is_number and op.holds(as_number(found), as_number(wanted))  # type: ignore[arg-type]  # a number
    if isinstance(wanted, str):
        return isinstance(found, str) and op.holds(found, wanted)
    return found is None and op is Op.EQUAL
