"""JSON as strict as a submission deserves: nothing is lost or guessed, and memory is bounded."""

import json
import re
import sys
from collections import Counter
from itertools import islice
from typing import NoReturn, cast

from shared.domain import Json

# Possessive, hence linear whatever the bytes: a text (or all that follows the beginning of one
# that never ends), or one of the characters that come before a value.
_PART = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[,\[{]', re.DOTALL)
_QUOTE = ord('"')


class TooManyValues(ValueError):
    """The text holds more values than are read."""


class TooDeep(ValueError):
    """The text is nested deeper than can be read."""


def loads(raw: bytes, *, most_values: int | None = None) -> Json:
    """Parse JSON text in UTF-8, with or without a byte order mark.

    Args:
        raw: the text; a limit of its length is the caller's.
        most_values: how many objects, lists, texts and numbers it may hold, give or take the
            depth of its nesting. Counted before anything is parsed: an empty list is two bytes
            in the text and 64 in memory.

    Raises:
        TooManyValues: more than *most_values*.
        TooDeep: nested too deeply to be read (about 1,000 levels).
        ValueError: not UTF-8, not JSON, a name twice in one object, NaN or infinity.
    """
    if most_values is not None and _more_values_than(most_values, raw):
        raise TooManyValues(f"holds more than {most_values} values")
    try:
        value = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_refuse
        )
    except RecursionError:
        raise TooDeep("is nested too deeply") from None
    except ValueError as error:
        if "integer string conversion" not in str(error):
            raise
        most_digits = sys.get_int_max_str_digits()
        raise ValueError(f"a whole number has more than {most_digits:,} digits") from None
    return cast("Json", value)


def _more_values_than(most: int, raw: bytes) -> bool:
    """Whether *raw* separates or opens more than *most* values; stops counting there."""
    if sum(map(raw.count, (b",", b"[", b"{"))) <= most:
        return False  # nearly always, and quick; else some of them may be inside texts
    openers = (one for one in _PART.finditer(raw) if raw[one.start()] != _QUOTE)
    return next(islice(openers, most, None), None) is not None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {twice!r:.100} occurs twice in one object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
