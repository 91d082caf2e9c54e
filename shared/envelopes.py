"""Open a message as foreign clients push it to Redis: who sent what, under which id.

Celery protocol 2 and 1 (base64 or plain body), kombu, and plain JSON. Only what the message
says is read; nothing it asks for (callbacks, chains, a later time) is done.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, cast

from shared import schemas
from shared.domain import Json
from shared.nesting import deeper_than

TASK = "lamina.submit.v1"
_MAX_DEPTH = 64
"""Nesting of a message or its body; metadata of the deepest allowed kind needs about 16."""
_MAX_ID = 200
_ID_PROPERTIES = ("correlation_id", "correlationId")
_ENVELOPE_FIELDS = frozenset({"body", "headers", "properties", "content-type"})


class Malformed(Exception):
    """The message cannot be opened.

    `reason` is a short code; `message_id` is set if the envelope gave one.
    """

    def __init__(self, reason: str, detail: str, message_id: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.message_id = message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was inside."""

    payload: Mapping[str, Json]
    """Parsed, of bounded depth, not yet checked."""
    message_id: str | None
    """The producer's task id, if there is one."""


def open_message(raw: bytes) -> Opened:
    """Return the payload inside *raw*.

    Raises:
        Malformed: for anything else; no other error, whatever the bytes.
    """
    message = _parse_json(raw, "The message")
    if not isinstance(message, Mapping):
        raise Malformed("bad-envelope", "The message must be a JSON object.")
    if _ENVELOPE_FIELDS & message.keys():
        return _open_celery(message)
    return _open_call(message, None)


def _open_celery(message: Mapping[str, Json]) -> Opened:
    message_id = _message_id(message)
    _check(message, "message", message_id)
    body = _decode_body(message, message_id)
    headers = cast("Mapping[str, Json]", message.get("headers", {}))
    if isinstance(body, Mapping):
        if "task" in headers:
            detail = "/body must be a list [args, kwargs, embed], since the headers name a task."
            raise Malformed("bad-envelope", detail, message_id)
        return _open_call(body, message_id)
    _check(headers, "headers", message_id, "/headers")
    _check(body, "body", message_id, "/body")
    _check_task(headers["task"], message_id)
    args, kwargs, _ = cast("Sequence[Json]", body)
    return Opened(payload=_payload(args, kwargs, message_id), message_id=message_id)


def _open_call(call: Mapping[str, Json], message_id: str | None) -> Opened:
    """Open a protocol 1 body or a plain push: a call of the task, or the payload itself."""
    if not {"task", "args", "kwargs"} & call.keys():
        return Opened(payload=call, message_id=message_id)
    message_id = _first_id(call.get("id")) or message_id
    _check(call, "call", message_id)
    _check_task(call["task"], message_id)
    payload = _payload(call.get("args"), call.get("kwargs"), message_id)
    return Opened(payload=payload, message_id=message_id)


def _payload(args: Json, kwargs: Json, message_id: str | None) -> Mapping[str, Json]:
    if args and kwargs:
        detail = "Send the payload as keyword arguments or as one positional object, not both."
        raise Malformed("bad-envelope", detail, message_id)
    if args:
        return cast("Sequence[Mapping[str, Json]]", args)[0]
    return cast("Mapping[str, Json]", kwargs or {})


def _decode_body(message: Mapping[str, Json], message_id: str | None) -> Json:
    text = cast("str", message["body"])
    properties = cast("Mapping[str, Json]", message["properties"])
    try:
        raw = text.encode()
        if properties.get("body_encoding") == "base64":
            raw = base64.b64decode(raw, validate=True)
        return _parse_json(raw, "/body")
    except (binascii.Error, UnicodeEncodeError):
        detail = "/body is not base64, though /properties/body_encoding says so."
    except Malformed as error:
        detail = error.detail
    raise Malformed("bad-envelope", detail, message_id) from None


def _message_id(message: Mapping[str, Json]) -> str | None:
    """Look for the task id, also in an envelope that will be refused."""
    headers, properties = message.get("headers"), message.get("properties")
    return _first_id(
        headers.get("id") if isinstance(headers, Mapping) else None,
        *(map(properties.get, _ID_PROPERTIES) if isinstance(properties, Mapping) else ()),
    )


def _first_id(*candidates: Json) -> str | None:
    """Return the first that can be stored and asked for as an id."""
    for one in candidates:
        if isinstance(one, str) and 1 <= len(one) <= _MAX_ID and one.isprintable():
            return one
    return None


def _check(instance: Json, part: str, message_id: str | None, where: str = "") -> None:
    faults = schemas.find_faults(schemas.ENVELOPE, instance, part=part)
    if faults:
        detail = "; ".join(f"{where + one.pointer or '/'}: {one.detail}" for one in faults)
        raise Malformed("bad-envelope", detail, message_id)


def _check_task(task: Json, message_id: str | None) -> None:
    if task != TASK:
        raise Malformed("unknown-task", f"The task must be {TASK}, not {task!r:.100}.", message_id)


def _parse_json(raw: bytes, what: str) -> Json:
    try:
        value = cast("Json", json.loads(raw.decode(), parse_constant=_refuse_constant))
    except RecursionError:
        raise Malformed("too-deep", f"{what} is nested too deeply.") from None
    except ValueError as error:
        raise Malformed("not-json", f"{what} is not JSON in UTF-8: {error}") from None
    if deeper_than(value, _MAX_DEPTH):
        raise Malformed("too-deep", f"{what} is nested deeper than {_MAX_DEPTH}.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not a JSON number"
    raise ValueError(msg)
