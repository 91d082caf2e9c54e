"""Read AMQP frames so that no message, whatever its producer wrote into it, breaks the connection.

py-amqp decodes the properties and the routing key of a message while it reads it, and raises
where they are not what they should be (text that is not UTF-8, a time in the year 10^12, a table
nested a thousand times). The message stays in the queue, so every reconnection meets it again.
RabbitMQ itself lets all of these pass.
"""

import struct
from collections.abc import Callable
from typing import TypeAlias

from amqp import Connection
from amqp.method_framing import frame_handler

UNREADABLE = "unreadable"
"""Content type, in place of all properties, of a message whose properties cannot be read."""

Frame: TypeAlias = tuple[int, int, bytes]
"""Type, channel, payload."""
Callback: TypeAlias = Callable[[int, tuple[int, int], bytes, object], object]

_HEADER = 2
_DELIVER = (60, 60)
_WITHOUT_PROPERTIES = slice(0, 12)
_CONTENT_TYPE_ONLY = struct.pack(">H", 1 << 15)
_NOT_DECODED = (ValueError, OverflowError, RecursionError, struct.error, IndexError, TypeError)


def tolerant_frames(connection: Connection, callback: Callback) -> Callable[[Frame], bool]:
    """Return py-amqp's own frame handler, but for what it cannot decode.

    Source:
        AMQP 0-9-1 specification, sections 4.2.6 (content header) and 1.8.3.14 (basic.deliver).
    """

    def deliver(channel: int, method: tuple[int, int], payload: bytes, content: object) -> None:
        if method == _DELIVER:
            payload = _without_routing_key(payload)
        callback(channel, method, payload, content)

    handle = frame_handler(connection, deliver)

    def on_frame(frame: Frame) -> bool:
        kind, channel, payload = frame
        if kind != _HEADER:
            return bool(handle(frame))
        try:
            return bool(handle(frame))
        except _NOT_DECODED:
            name = UNREADABLE.encode()
            header = bytes(payload[_WITHOUT_PROPERTIES]) + _CONTENT_TYPE_ONLY
            return bool(handle((kind, channel, header + bytes([len(name)]) + name)))

    return on_frame


def _without_routing_key(payload: bytes) -> bytes:
    """Empty the routing key, the last argument of `basic.deliver`: it is the producer's to choose.

    Before it come the method (4 bytes), the consumer's tag (a short string), the delivery's tag
    (8), a flag (1) and the exchange (a short string).
    """
    raw = bytes(payload)
    exchange = 5 + raw[4] + 9
    return raw[: exchange + 1 + raw[exchange]] + b"\0"
