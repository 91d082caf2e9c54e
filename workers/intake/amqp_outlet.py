"""Replies as messages in RabbitMQ, to queues that producers declare.

Over a connection of its own: RabbitMQ stops reading from connections that publish while it is
short of memory or disk, and the intake's acknowledgements must not wait behind replies.
"""

from collections.abc import Sequence
from typing import Any

from amqp import Channel, Message
from amqp.exceptions import AMQPError
from kombu import Connection

from shared.errors import BrokerUnavailable
from shared.replies import Reply

_TIMEOUT_SECONDS = 2.0
_HEARTBEAT_SECONDS = 0  # replies may be rare; a connection that died meanwhile is made anew
_TRANSIENT = 1


class AmqpOutlet:
    """An `Outlet` over py-amqp, by way of kombu."""

    def __init__(self, url: str, *, seconds: int) -> None:
        """Let replies that nobody fetches expire after *seconds*."""
        self._url = url
        self._expires = str(seconds * 1000)
        self._connection: Any = None
        self._channel: Channel | None = None

    def push(self, replies: Sequence[Reply]) -> None:
        """Publish each to the queue of its name; where there is none, RabbitMQ drops it.

        Raises:
            BrokerUnavailable: RabbitMQ is away, or this account may not publish so.
        """
        is_new = self._channel is None
        try:
            self._publish(replies)
        except (AMQPError, OSError) as error:
            self.close()
            if is_new:
                raise BrokerUnavailable(f"The broker: {error}") from error
            self.push(replies)  # RabbitMQ may have been restarted since the last ones

    def close(self) -> None:
        """Forget the connection; the next `push` makes another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()  # without a word: a broker that has stalled would not answer

    def _publish(self, replies: Sequence[Reply]) -> None:
        channel = self._open()
        for one in replies:
            message = Message(
                one.body,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=_TRANSIENT,
                expiration=self._expires,
            )
            channel.basic_publish(message, exchange="", routing_key=one.to)
        # RabbitMQ answers this when it has handled all before, and says here what it refused.
        channel.basic_qos(0, 0, a_global=False)

    def _open(self) -> Channel:
        if self._channel is None:
            broker = Connection(
                self._url, connect_timeout=_TIMEOUT_SECONDS, heartbeat=_HEARTBEAT_SECONDS
            )
            self._connection = broker.transport.establish_connection()
            # py-amqp waits for replies for ever; its `read_timeout` is not heeded.
            self._connection.transport.sock.settimeout(_TIMEOUT_SECONDS)
            self._channel = self._connection.channel()
        return self._channel
