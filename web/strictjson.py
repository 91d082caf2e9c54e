"""JSON as strict as a submission deserves: nothing is lost or guessed."""

import json
from typing import Any, NoReturn

from flask import Request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from shared.domain import Json


def loads(raw: str | bytes) -> Json:
    """Parse JSON text in UTF-8.

    Raises:
        ValueError: not UTF-8, not JSON, a name twice in one object, NaN or infinity, or
            nesting too deep to read.
    """
    text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
    try:
        value: Json = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} occurs twice in one object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


class StrictJson(DefaultJSONProvider):
    """Reads strictly, writes compactly and in plain UTF-8."""

    ensure_ascii = False
    compact = True
    sort_keys = False

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Parse *s*; see `loads` of this module."""
        return loads(s)


class StrictRequest(Request):
    """Says what is wrong with a body that is not JSON."""

    def on_json_loading_failure(self, e: ValueError | None) -> NoReturn:
        """Answer 415 to another media type (*e* is None) and 400 to a malformed body."""
        if e is None:
            raise UnsupportedMediaType("Send JSON: `Content-Type: application/json`.")
        raise BadRequest(f"The body is not valid JSON: {e}.") from e
