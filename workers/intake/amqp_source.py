"""The queue in RabbitMQ, read so that a crash at any point neither loses nor doubles a message.

A message stays in RabbitMQ, unacknowledged, until the catalog has committed it; whatever dies
before, RabbitMQ delivers it again. What makes the repetition harmless is its name: the producer's
key or message id, else a receipt (see `open_receipts`).

The queue is a quorum queue, behind an exchange of the same name that hands everything on to it
whatever the routing key. What RabbitMQ would drop goes to a second queue, `….dead`, and is read
from there: a message that expired or had no room is taken like any other; one that was delivered
too often, since its intakes died of it, is kept as a rejection without being opened again.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from amqp import Channel, Message
from amqp.exceptions import AMQPError, PreconditionFailed
from kombu import Connection

from shared.errors import BrokerUnavailable
from workers.intake import amqp_messages
from workers.intake.amqp_frames import tolerant_frames
from workers.intake.open_receipts import OpenReceipts
from workers.intake.source import RawMessage, Refusal

_BATCH_BYTES = 32 * 1024 * 1024
"""Messages are small or few: what is read at once stops after this."""
_TIMEOUT_SECONDS = 5.0
_HEARTBEAT_SECONDS = 60
_MORE_SECONDS = 0.01
"""How long one more message is waited for when one is there."""
_NO_LIMIT = 1_000_000
"""Deliveries of a dead letter; RabbitMQ 4 would drop it after 20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpQueue:
    """The queue, and how much is taken of it."""

    name: str
    prefetch: int
    """Messages held unacknowledged, at most."""
    deliveries: int
    """Deliveries of one message before RabbitMQ gives it up."""
    message_bytes: int
    """A longer message will be refused."""

    @property
    def dead(self) -> str:
        """Name of the queue for what RabbitMQ would drop."""
        return f"{self.name}.dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    message: Message
    dead: bool

    @property
    def tag(self) -> int:
        return int(self.message.delivery_info["delivery_tag"])

    @property
    def again(self) -> bool:
        # A dead letter is new to its queue, but may have been read before it died.
        return self.dead or bool(self.message.delivery_info["redelivered"])


class AmqpSource:
    """A `Source` over py-amqp, by way of kombu. For one thread."""

    def __init__(self, url: str, queue: AmqpQueue, receipts: Path) -> None:
        """Read *queue*; intakes that share it share the folder *receipts*, too."""
        self._url = url
        self._queue = queue
        self._receipts = OpenReceipts(receipts)
        self._connection: Any = None
        self._channel: Channel | None = None
        self._arrived: deque[_Arrival] = deque()
        self._last_tag: int | None = None
        self._opened: list[str] = []

    def take(self, limit: int, *, timeout_seconds: float) -> Sequence[RawMessage]:
        """Read up to *limit* messages; connects if need be.

        Raises:
            BrokerUnavailable: RabbitMQ is away, or its queue is not as it must be.
            IndexUnavailable: the data folder cannot be written to.
        """
        with _broker_faults():
            channel = self._open()
            self._connection.heartbeat_tick()
            self._read(limit, timeout_seconds)
        count = min(limit, len(self._arrived))
        batch = [self._arrived.popleft() for _ in range(count)]
        if not batch:
            return []
        self._last_tag = batch[-1].tag
        raws = [self._encode(one.message) for one in batch]
        receipts = self._name(batch, raws)
        if self._opened:
            with _broker_faults():
                # From here on whoever is given these finds their receipts: RabbitMQ had not
                # taken them away before the receipts were written.
                self._ask(channel)
        return [
            RawMessage(receipt=receipt, raw=raw, again=one.again, refusal=self._refuse(one))
            for one, raw, receipt in zip(batch, raws, receipts, strict=True)
        ]

    def done(self, messages: Sequence[RawMessage]) -> None:
        """Acknowledge what the last `take` returned.

        Raises:
            BrokerUnavailable: RabbitMQ is away; they will be delivered again.
        """
        if not messages or self._last_tag is None:
            return
        with _broker_faults():
            channel = self._open()  # the one that they came by
            channel.basic_ack(self._last_tag, multiple=True)
            self._last_tag = None
            if self._opened:
                self._ask(channel)
        self._receipts.close(self._opened)
        self._opened = []

    def recover(self) -> int:
        """Do nothing: RabbitMQ delivers again by itself what was not acknowledged."""
        self._receipts.forget_old()
        return 0

    def close(self) -> None:
        """Give back what was not acknowledged; the next `take` connects anew."""
        connection, self._connection, self._channel = self._connection, None, None
        self._arrived.clear()
        self._last_tag = None
        self._opened = []
        if connection is not None:
            # Without a word: a broker that has stalled would not answer.
            connection.collect()

    def _open(self) -> Channel:
        if self._channel is None:
            options = {"frame_handler": tolerant_frames}
            broker = Connection(
                self._url,
                connect_timeout=_TIMEOUT_SECONDS,
                heartbeat=_HEARTBEAT_SECONDS,
                transport_options=options,
            )
            # One try, where `connect` would make several.
            self._connection = broker.transport.establish_connection()
            # py-amqp waits for replies for ever; its `read_timeout` is not heeded.
            self._connection.transport.sock.settimeout(_TIMEOUT_SECONDS)
            channel = self._connection.channel()
            channel.auto_decode = False
            self._declare(channel)
            self._consume(channel)
            self._channel = channel
        return self._channel

    def _declare(self, channel: Channel) -> None:
        name, dead = self._queue.name, self._queue.dead
        quorum = {"x-queue-type": "quorum"}
        _declare_queue(channel, dead, quorum | {"x-delivery-limit": _NO_LIMIT})
        letters = {
            "x-delivery-limit": self._queue.deliveries,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
            # A letter leaves this queue only when the other has it; this needs the overflow.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        _declare_queue(channel, name, quorum | letters)
        with _as_declared("exchange", name):
            channel.exchange_declare(name, "fanout", durable=True, auto_delete=False)
        channel.queue_bind(name, exchange=name, routing_key=name)

    def _consume(self, channel: Channel) -> None:
        self._ask(channel)
        for name in (self._queue.name, self._queue.dead):
            arrive = partial(self._arrive, dead=name == self._queue.dead)
            channel.basic_consume(name, no_ack=False, callback=arrive)

    def _ask(self, channel: Channel) -> None:
        """Wait for a reply; RabbitMQ has then handled all that was said before."""
        channel.basic_qos(0, self._queue.prefetch, a_global=False)

    def _arrive(self, message: Message, *, dead: bool) -> None:
        self._arrived.append(_Arrival(message=message, dead=dead))

    def _read(self, limit: int, timeout_seconds: float) -> None:
        end = time.monotonic() + timeout_seconds
        while len(self._arrived) < limit and self._arrived_bytes() < _BATCH_BYTES:
            wait = _MORE_SECONDS if self._arrived else max(end - time.monotonic(), _MORE_SECONDS)
            try:
                self._connection.drain_events(timeout=wait)
            except TimeoutError:
                if self._arrived or time.monotonic() >= end:
                    return

    def _arrived_bytes(self) -> int:
        return sum(len(one.message.body) for one in self._arrived)

    def _encode(self, message: Message) -> bytes:
        return amqp_messages.encode(message, most_bytes=self._queue.message_bytes)

    def _name(self, batch: Sequence[_Arrival], raws: Sequence[bytes]) -> list[str]:
        """Return a receipt for each; open ones for those that nothing else names."""
        digests = [amqp_messages.digest(raw) for raw in raws]
        receipts: dict[int, str] = {}
        found: set[str] = set()
        for place, (one, digest) in enumerate(zip(batch, digests, strict=True)):
            if amqp_messages.has_id(one.message):
                receipts[place] = digest  # the id is in it
            elif one.again and (open_one := self._receipts.find(digest, besides=found)):
                receipts[place] = open_one
                found.add(open_one)
        places = [place for place in range(len(batch)) if place not in receipts]
        new = self._receipts.open(digests[place] for place in places)
        receipts.update(zip(places, new, strict=True))
        self._opened = [*found, *new]
        return [receipts[place] for place in range(len(batch))]

    def _refuse(self, one: _Arrival) -> Refusal | None:
        if not amqp_messages.is_readable(one.message):
            return Refusal("bad-envelope", "Its AMQP properties cannot be read.")
        if one.dead and amqp_messages.cause_of_death(one.message) == "delivery_limit":
            detail = (
                f"It was delivered {self._queue.deliveries} times (LAMINA_BROKER_DELIVERIES) and "
                "never stored: each time the intake or the catalog went away. It was not opened."
            )
            return Refusal("undeliverable", detail)
        return None


def _declare_queue(channel: Channel, name: str, arguments: Mapping[str, object]) -> None:
    with _as_declared("queue", name):
        channel.queue_declare(name, durable=True, auto_delete=False, arguments=dict(arguments))


@contextmanager
def _as_declared(kind: str, name: str) -> Iterator[None]:
    try:
        yield
    except PreconditionFailed as error:
        raise BrokerUnavailable(
            f"RabbitMQ has another {kind} {name!r} than the one that Lamina declares "
            f"({error.reply_text}). Stop who declared it, empty it and delete it; Lamina then "
            "declares it, and producers push to it without declaring it."
        ) from error


@contextmanager
def _broker_faults() -> Iterator[None]:
    try:
        yield
    except (AMQPError, OSError) as error:
        raise BrokerUnavailable(f"The broker: {error}") from error
