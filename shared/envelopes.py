"""Open a message as foreign clients push it: who sent what, under which id.

Celery protocol 2 and 1 (base64 or plain body), kombu, and plain JSON. Only what the message
says is read; nothing it asks for (callbacks, chains, a later time) is done.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from shared import schemas, strictjson
from shared.domain import Json
from shared.nesting import deeper_than
from shared.tracing import TRACEPARENT, is_traceparent

TASKS = (schemas.SUBMIT, schemas.DELETE)
"""Names of the tasks that are known. A change that breaks producers makes a new name."""
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

    task: str
    """What is asked for, one of `TASKS`."""
    payload: Mapping[str, Json]
    """Parsed, of bounded depth, not yet checked."""
    message_id: str | None
    """The producer's task id, if there is one."""
    host: str | None = None
    """Host that a Celery client says it runs on, if it does."""
    traceparent: str | None = None
    """Trace that it belongs to, if its headers name one, as those of an instrumented client do."""


def open_message(raw: bytes, *, most_values: int | None = None) -> Opened:
    """Return the payload inside *raw*, of which at most *most_values* values are read.

    Raises:
        Malformed: for anything else; no other error, whatever the bytes.
    """
    message = _parse_json(raw, "The message", most_values)
    if not isinstance(message, Mapping):
        raise Malformed("bad-envelope", "The message must be a JSON object.")
    if _ENVELOPE_FIELDS & message.keys():
        return _Envelope(message, most_values).open()
    return _open_call(message, None)


def wrap(
    body: bytes,
    *,
    content_type: str | None,
    content_encoding: str | None,
    headers: Mapping[str, object],
    properties: Mapping[str, object],
) -> bytes:
    """Return an AMQP message as the envelope that kombu pushes to Redis, for `open_message`.

    So that one parser reads both, and a rejection keeps headers and properties too. A message
    that says nothing of its type is taken for JSON, since plain pushes often say nothing.
    """
    try:
        text, encoding = body.decode(), None
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(body).decode(), "base64"
    envelope = {
        "body": text,
        "content-type": content_type or "application/json",
        "content-encoding": content_encoding or "utf-8",
        "headers": dict(headers),
        "properties": {"delivery_tag": "", "delivery_info": {}}
        | dict(properties)
        | {"body_encoding": encoding},
    }
    text = json.dumps(envelope, ensure_ascii=False, default=_plain)
    return text.encode(errors="backslashreplace")  # of half a surrogate pair: its JSON escape


def _plain(value: object) -> str:
    """Write what AMQP tables hold and JSON does not: times, bytes, decimals."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class _Envelope:
    """A message with a body; its id is known even if it is refused."""

    message: Mapping[str, Json]
    most_values: int | None

    def open(self) -> Opened:
        self._check(self.message, "message")
        body = self._decode_body()
        headers = cast("Mapping[str, Json]", self.message.get("headers", {}))
        if isinstance(body, Mapping):
            if "task" in headers:
                detail = (
                    "/body must be a list [args, kwargs, embed], since the headers name a task."
                )
                raise self._malformed("bad-envelope", detail)
            return _open_call(body, self.message_id)
        self._check(headers, "headers", "/headers")
        self._check(body, "body", "/body")
        args, kwargs, _ = cast("Sequence[Json]", body)
        opened = _opened(headers["task"], args, kwargs, self.message_id)
        return replace(
            opened, host=_host(headers.get("origin")), traceparent=_trace(headers.get(TRACEPARENT))
        )

    @property
    def message_id(self) -> str | None:
        headers, properties = self.message.get("headers"), self.message.get("properties")
        return _first_id(
            headers.get("id") if isinstance(headers, Mapping) else None,
            *(map(properties.get, _ID_PROPERTIES) if isinstance(properties, Mapping) else ()),
        )

    def _decode_body(self) -> Json:
        text = cast("str", self.message["body"])
        properties = cast("Mapping[str, Json]", self.message["properties"])
        try:
            raw = text.encode()
            if properties.get("body_encoding") == "base64":
                raw = base64.b64decode(raw, validate=True)
            return _parse_json(raw, "/body", self.most_values)
        except binascii.Error:
            detail = "/body is not base64, though /properties/body_encoding says so."
        except UnicodeEncodeError:
            detail = "/body contains half of a surrogate pair, which is not a character."
        except Malformed as error:
            reason = "too-large" if error.reason == "too-large" else "bad-envelope"
            raise self._malformed(reason, error.detail) from None
        raise self._malformed("bad-envelope", detail)

    def _check(self, instance: Json, part: str, where: str = "") -> None:
        if detail := _faults(instance, part, where):
            raise self._malformed("bad-envelope", detail)

    def _malformed(self, reason: str, detail: str) -> Malformed:
        return Malformed(reason, detail, self.message_id)


def _open_call(call: Mapping[str, Json], message_id: str | None) -> Opened:
    """Open a protocol 1 body or a plain push: a call of a task, or what shall be submitted."""
    if not {"task", "args", "kwargs"} & call.keys():
        return Opened(task=schemas.SUBMIT, payload=call, message_id=message_id)
    message_id = _first_id(call.get("id")) or message_id
    if detail := _faults(call, "call"):
        raise Malformed("bad-envelope", detail, message_id)
    return _opened(call["task"], call.get("args"), call.get("kwargs"), message_id)


def _opened(task: Json, args: Json, kwargs: Json, message_id: str | None) -> Opened:
    if task not in TASKS:
        detail = f"The task must be {' or '.join(TASKS)}, not {task!r:.100}."
        raise Malformed("unknown-task", detail, message_id)
    if args and kwargs:
        detail = "Send the payload as keyword arguments or as one positional object, not both."
        raise Malformed("bad-envelope", detail, message_id)
    payload = cast("Sequence[Json]", args)[0] if args else kwargs or {}
    return Opened(
        task=task,
        payload=cast("Mapping[str, Json]", payload),
        message_id=message_id,
    )


def _host(origin: Json) -> str | None:
    """Return the host of Celery's `origin`, which is `gen1234@host` or `1234@host`.

    Without the process: else each restart of a producer would be a producer of its own.
    """
    return origin.rpartition("@")[2] if isinstance(origin, str) and "@" in origin else None


def _trace(traceparent: Json) -> str | None:
    return str(traceparent) if is_traceparent(traceparent) else None


def _first_id(*candidates: Json) -> str | None:
    """Return the first that can be stored and asked for as an id."""
    for one in candidates:
        if isinstance(one, str) and 1 <= len(one) <= _MAX_ID and one.isprintable():
            return one
    return None


def _faults(instance: Json, part: str, where: str = "") -> str:
    faults = schemas.find_faults(schemas.ENVELOPE, instance, part=part)
    return "; ".join(f"{where + one.pointer or '/'}: {one.detail}" for one in faults)


def _parse_json(raw: bytes, what: str, most_values: int | None) -> Json:
    try:
        value = strictjson.loads(raw, most_values=most_values)
    except strictjson.TooDeep:
        raise Malformed("too-deep", f"{what} is nested too deeply.") from None
    except strictjson.TooManyValues as error:
        raise Malformed("too-large", f"{what} {error}.") from None
    except ValueError as error:
        raise Malformed("not-json", f"{what} is not JSON in UTF-8: {error}") from None
    if deeper_than(value, _MAX_DEPTH):
        raise Malformed("too-deep", f"{what} is nested deeper than {_MAX_DEPTH}.")
    return value
