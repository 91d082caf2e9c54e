"""The published JSON Schemas of what other apps send and get, and checking against them."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from shared.domain import Json
from shared.errors import Fault

SUBMIT = "lamina.submit.v1"
DELETE = "lamina.delete.v1"
REPLY = "lamina.reply.v1"
ENVELOPE = "lamina.submit.v1.envelope"
_URN = "urn:lamina:schema:"
_MOST_FAULTS = 5
_MOST_CHARACTERS = 300
_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    # Celery writes times without an offset too, which RFC 3339 does not know.
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@cache
def load(name: str) -> Mapping[str, Json]:
    """Return the schema called *name*, as published."""
    text = (Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8")
    return cast("Mapping[str, Json]", json.loads(text))


def find_faults(name: str, instance: Json, *, part: str = "") -> list[Fault]:
    """Return what keeps *instance* from being valid, at most five things; empty if nothing.

    Args:
        name: a schema, `SUBMIT`, `DELETE`, `REPLY` or `ENVELOPE`.
        instance: parsed JSON of bounded depth.
        part: a definition inside the schema, instead of all of it.
    """
    errors = _validator(name, part).iter_errors(instance)
    return [_fault(error) for error in islice(errors, _MOST_FAULTS)]


@cache
def _validator(name: str, part: str) -> Draft202012Validator:
    registry = Registry[bool | Mapping[str, Any]]().with_contents(
        [(_URN + one, load(one)) for one in (SUBMIT, DELETE, REPLY, ENVELOPE)],
        default_specification=DRAFT202012,
    )
    reference = f"{_URN}{name}#/$defs/{part}" if part else _URN + name
    return Draft202012Validator({"$ref": reference}, registry=registry, format_checker=_formats)


def _fault(error: ValidationError) -> Fault:
    path = (str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
    message = error.message
    if len(message) > _MOST_CHARACTERS:
        message = f"{message[: _MOST_CHARACTERS // 2]} … {message[-_MOST_CHARACTERS // 2 :]}"
    return Fault("".join(f"/{step}" for step in path), message)
