"""What an AMQP message is to the intake: bytes of the same form that Redis would have held.

A message that is only a body stays that body. One with Celery's headers, or with an id, becomes
the JSON envelope that Celery clients push to Redis, so that all that is known about envelopes is
known in one place, and a rejected message is kept with its headers.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

from amqp import Message

from shared.domain import Json
from shared.envelopes import wrap
from workers.intake.amqp_frames import UNREADABLE

_BROKERS_OWN = "x-"
"""Begin of headers that RabbitMQ adds, and changes each time it delivers the message."""
_DEEPEST = 100
"""Nesting of headers that is passed on; far more than an envelope may have."""
_DEATH = "x-first-death-reason"


def is_readable(message: Message) -> bool:
    """Whether the properties could be decoded."""
    return bool(message.properties.get("content_type") != UNREADABLE)


def cause_of_death(message: Message) -> str:
    """Return why RabbitMQ dead-lettered it: `expired`, `maxlen`, `delivery_limit`, or nothing."""
    return str(_headers(message).get(_DEATH, ""))


def has_id(message: Message) -> bool:
    """Whether its producer named it, so that a second one of this name is the same one."""
    return any(isinstance(one, str) and one for one in _ids(message))


def digest(raw: bytes) -> str:
    """Return what two equal messages have in common: 32 characters."""
    return hashlib.sha256(raw).hexdigest()[:32]


def encode(message: Message, *, most_bytes: int) -> bytes:
    """Return *message* as the intake parses it; always the same, however often it is delivered.

    Args:
        message: as received.
        most_bytes: a longer body stays as it is: it will be refused anyway.
    """
    body = _body(message)
    headers = {
        name: value for name, value in _headers(message).items() if not _is_brokers_own(name)
    }
    if len(body) > most_bytes or not (headers or has_id(message)):
        return body
    is_task = "task" in headers
    return wrap(
        body,
        # Of a plain push the type says little: its body is JSON or not.
        content_type=message.properties.get("content_type") if is_task else None,
        content_encoding=message.properties.get("content_encoding") if is_task else None,
        headers=cast("Mapping[str, object]", _plain(headers)),
        properties={"correlation_id": next((one for one in _ids(message)[1:] if one), None)},
    )


def _body(message: Message) -> bytes:
    body = message.body
    return body.encode() if isinstance(body, str) else bytes(body)  # an empty one is a `str`


def _headers(message: Message) -> dict[Any, Any]:
    return dict(message.properties.get("application_headers") or {})


def _ids(message: Message) -> list[Any]:
    properties = message.properties
    return [
        _headers(message).get("id"),
        properties.get("message_id"),
        properties.get("correlation_id"),
    ]


def _is_brokers_own(name: object) -> bool:
    return isinstance(name, str) and name.startswith(_BROKERS_OWN)


def _plain(value: Any, depth: int = 0) -> Json:
    """Return a header's value in JSON's types; text for those that JSON has not."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth < _DEEPEST and isinstance(value, dict):
        return {_name(name): _plain(one, depth + 1) for name, one in value.items()}
    if depth < _DEEPEST and isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    return _name(value)


def _name(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
