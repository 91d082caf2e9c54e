"""From a queue in RabbitMQ into the catalog: nothing is lost, nothing doubled."""

import base64
import json
import signal
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import amqp
import pytest
from celery import Celery
from kombu import Connection

from shared.domain import Chunking, Metric, SpaceDraft
from shared.errors import BrokerUnavailable, OutOfSpace
from shared.messages import MessageLimits
from shared.upkeep.room import Room
from tests.golden import ACCEPTED, golden
from tests.golden.malformed import MALFORMED, PAYLOAD, envelope
from tests.rabbit_server import RabbitServer
from tests.worlds import LIMITS, Cramped, World
from workers.intake import amqp_source
from workers.intake.amqp_outlet import AmqpOutlet
from workers.intake.amqp_source import AmqpQueue, AmqpSource
from workers.intake.delivery import Delivery
from workers.intake.replying import Replies

QUEUE = "lamina.submit"
DEAD = "lamina.submit.dead"
MESSAGE_BYTES = 16 * 1024 * 1024
CONFIRMED = {"confirm_publish": True}


@dataclass
class Desk:
    """An intake in this process."""

    world: World
    server: RabbitServer
    room: Room | None = None
    prefetch: int = 200
    deliveries: int = 100
    source: AmqpSource = field(init=False)
    replies: Replies = field(init=False)

    def __post_init__(self) -> None:
        queue = AmqpQueue(
            name=QUEUE,
            prefetch=self.prefetch,
            deliveries=self.deliveries,
            message_bytes=MESSAGE_BYTES,
        )
        receipts = self.world.folder / "receipts"
        self.source = AmqpSource(self.server.lamina_url, queue, receipts)
        self.replies = Replies(AmqpOutlet(self.server.lamina_url, seconds=60))

    @property
    def delivery(self) -> Delivery:
        return Delivery(
            source=self.source,
            inbox=self.world.inbox,
            bell=self.world.bell,
            room=self.room or self.world.bench.room,
            backlog=self.world.backlog,
            replies=self.replies,
            limits=MessageLimits(
                documents=LIMITS,
                message_bytes=MESSAGE_BYTES,
                message_values=1_000_000,
                rejected_bytes=100_000,
            ),
            queue=f"queue:{QUEUE}",
        )

    def take_all(self, at_least: int = 0) -> int:
        """Recover, then deliver until the queue is empty; return how many messages."""
        self.delivery.recover()
        taken = 0
        end = time.monotonic() + 20
        while some := self.delivery.deliver(200, timeout_seconds=0.3) or taken < at_least:
            assert time.monotonic() < end, f"only {taken} of {at_least} came"
            taken += some
        return taken

    def crash(self) -> None:
        """Lose the connection and all memory, as a killed process does."""
        self.source.close()
        self.replies.close()
        self.__post_init__()


@dataclass
class Producer:
    """An app with an account that may only push, and with publisher confirms."""

    channel: Any

    def push(self, *bodies: bytes, **properties: Any) -> None:
        for body in bodies:
            self.send(amqp.Message(body, **properties))

    def send(self, message: amqp.Message, routing_key: str | bytes = QUEUE) -> None:
        self.channel.basic_publish_confirm(
            message, exchange=QUEUE, routing_key=routing_key, timeout=10
        )


@pytest.fixture
def desk(world: World, rabbit: RabbitServer) -> Iterator[Desk]:
    opened = Desk(world, rabbit)
    assert opened.take_all() == 0  # declares the queue
    yield opened
    opened.source.close()
    opened.replies.close()


@pytest.fixture
def producer(desk: Desk) -> Iterator[Producer]:
    with Connection(desk.server.producer_url) as connection:
        yield Producer(connection.channel())


def push(text: str, **changes: object) -> bytes:
    return json.dumps({"collection": "c", "documents": [{"text": text}]} | changes).encode()


def waiting(world: World) -> int:
    return world.reading.waiting(world.collection.id)


def receipts(desk: Desk) -> list[Path]:
    """Return the open receipts."""
    return list((desk.world.folder / "receipts").glob("*"))


def as_amqp(raw: bytes) -> amqp.Message:
    """Return the AMQP message that a client sends where it pushes *raw* to Redis."""
    message = json.loads(raw)
    if "body" not in message:
        return amqp.Message(raw)
    properties = message["properties"]
    encoded = properties.get("body_encoding") == "base64"
    return amqp.Message(
        base64.b64decode(message["body"]) if encoded else message["body"].encode(),
        content_type=message.get("content-type"),
        content_encoding=message.get("content-encoding"),
        application_headers=message.get("headers", {}),
        correlation_id=properties.get("correlation_id"),
    )


@pytest.mark.parametrize("form", ["as AMQP", "as Redis has it"])
def test_a_message_of_every_client_becomes_a_job(desk: Desk, producer: Producer, form: str) -> None:
    world = desk.world
    draft = SpaceDraft(encoder=world.encoder.card, metric=Metric.COSINE, chunking=Chunking())
    world.collections.create("default", draft)
    for name in ACCEPTED:
        raw = golden(name)
        producer.send(as_amqp(raw) if form == "as AMQP" else amqp.Message(raw))

    assert desk.take_all(len(ACCEPTED)) == len(ACCEPTED)

    assert world.refused() == []
    jobs = world.records.jobs(limit=100)
    assert {job.key for job in jobs} >= {"py-key", "ts-key", "cli-key", "v1-key"}
    assert receipts(desk) == []


def test_twenty_malformed_messages_are_kept_and_the_next_good_one_is_taken(
    desk: Desk, producer: Producer
) -> None:
    producer.push(*(raw for raw, _ in MALFORMED.values()))
    producer.send(as_amqp(envelope(message_id="the-good-one")))

    assert desk.take_all(21) == len(MALFORMED) + 1

    kept = desk.world.refused()
    assert sorted(one.reason for one in kept) == sorted(reason for _, reason in MALFORMED.values())
    assert {one.raw for one in kept} == {raw[:100_000] for raw, _ in MALFORMED.values()}
    assert desk.world.inbox.receipts("message:the-good-one")[0].status == "accepted"
    assert waiting(desk.world) == 1


def changed(**properties: Any) -> amqp.Message:
    """Return Celery's message, but for what is changed."""
    message = as_amqp(envelope())
    message.properties.update(properties)
    return message


def with_headers(**headers: Any) -> amqp.Message:
    return changed(application_headers={"task": "lamina.submit.v1", "id": "x"} | headers)


class Crafted(amqp.Message):
    """A message whose properties are bytes that no client would write."""

    written = b""

    def _serialize_properties(self) -> bytes:
        return self.written


def crafted(flag: int, written: bytes) -> amqp.Message:
    message = Crafted(json.dumps(PAYLOAD).encode())
    message.written = struct.pack(">H", 1 << flag) + written
    return message


def table(inner: bytes) -> bytes:
    return struct.pack(">I", len(inner)) + inner


def deep_table() -> bytes:
    inner = b"\x01aV"
    for _ in range(3000):
        inner = b"\x01aF" + table(inner)
    return table(inner)


WRONG: Mapping[str, tuple[amqp.Message, str]] = {
    "pickle": (
        changed(content_type="application/x-python-serialize", content_encoding="binary"),
        "bad-envelope",
    ),
    "no id": (changed(application_headers={"task": "lamina.submit.v1"}), "bad-envelope"),
    "unknown task": (with_headers(task="tasks.add"), "unknown-task"),
    "time limit": (with_headers(timelimit="x"), "bad-envelope"),
    "compressed": (with_headers(compression="application/x-gzip"), "bad-envelope"),
    "headers as deep as py-amqp reads": (
        with_headers(deep=json.loads("[" * 150 + "]" * 150)),
        "too-deep",
    ),
    "not UTF-8": (amqp.Message(b"\xff\xfe", message_id="y"), "bad-envelope"),
    "empty": (amqp.Message(b""), "not-json"),
    "empty with an id": (amqp.Message(b"", message_id="z"), "bad-envelope"),
    "content type not UTF-8": (crafted(15, b"\x03\xff\xfe\xfd"), "bad-envelope"),
    "correlation id not UTF-8": (crafted(10, b"\x02\xff\xfe"), "bad-envelope"),
    "a time of no calendar": (crafted(13, table(b"\x02abT" + b"\xff" * 8)), "bad-envelope"),
    "a table too deep to read": (crafted(13, deep_table()), "bad-envelope"),
}
"""Most of the second half end or stall a stock consumer with an exception while it reads."""

ODD: Mapping[str, amqp.Message] = {
    "a header's name not UTF-8": crafted(13, table(b"\x02\xff\xfeV")),
    "a header's value not UTF-8": crafted(13, table(b"\x02abS\x00\x00\x00\x02\xff\xfe")),
    "bytes": crafted(13, table(b"\x02abx\x00\x00\x00\x02\xff\xfe")),
    "a decimal": crafted(13, table(b"\x02abD\x02\x00\x00\x00\x05")),
    "Celery's, without a content type": changed(content_type=None),
    "text/plain": amqp.Message(json.dumps(PAYLOAD).encode(), content_type="text/plain"),
}


def test_what_only_amqp_can_get_wrong_is_kept_too(desk: Desk, producer: Producer) -> None:
    for message, _ in WRONG.values():
        producer.send(message)
    producer.push(push("good", key="good"))

    assert desk.take_all(len(WRONG) + 1) == len(WRONG) + 1

    kept = desk.world.refused()
    assert [one.reason for one in reversed(kept)] == [reason for _, reason in WRONG.values()]
    assert waiting(desk.world) == 1
    assert receipts(desk) == []


@pytest.mark.parametrize("name", ODD)
def test_odd_properties_of_a_good_message_do_no_harm(
    desk: Desk, producer: Producer, name: str
) -> None:
    producer.send(ODD[name])
    desk.take_all(1)
    assert desk.world.refused() == []
    assert waiting(desk.world) == 1


@pytest.mark.parametrize("key", ["", "orders.new", b"not UTF-8: \xff"])
def test_whatever_the_routing_key_the_message_is_taken(
    desk: Desk, producer: Producer, key: str | bytes
) -> None:
    producer.send(amqp.Message(push("routed")), routing_key=key)
    desk.take_all(1)
    assert waiting(desk.world) == 1


def test_another_app_submits_with_nothing_but_celery(desk: Desk) -> None:
    url = desk.server.producer_url
    with Celery(broker=url, set_as_current=False, broker_transport_options=CONFIRMED) as app:
        sent = app.send_task(
            "lamina.submit.v1",
            exchange=QUEUE,
            routing_key=QUEUE,
            declare=(),
            kwargs={"collection": "c", "documents": [{"id": "1", "text": "from another app"}]},
            ignore_result=True,
            retry=False,
        )
    desk.take_all(1)
    assert desk.world.records.document("c", "1").text == "from another app"
    (receipt,) = desk.world.inbox.receipts(f"message:{sent.id}")
    assert (receipt.status, receipt.source) == ("accepted", "queue:lamina.submit")


def test_another_app_submits_with_nothing_but_kombu(desk: Desk) -> None:
    documents = [{"id": "1", "text": "from kombu"}]
    with (
        Connection(desk.server.producer_url, transport_options=CONFIRMED) as connection,
        connection.Producer() as kombu,
    ):
        payload = {"collection": "c", "documents": documents}
        kombu.publish(
            payload, exchange=QUEUE, routing_key=QUEUE, serializer="json", correlation_id="mine"
        )
    desk.take_all(1)
    assert desk.world.inbox.receipts("message:mine")[0].status == "accepted"
    assert desk.world.records.document("c", "1").text == "from kombu"


FORBIDDEN: Mapping[str, Any] = {
    "get": lambda channel: channel.basic_get(QUEUE),
    "consume": lambda channel: channel.basic_consume(QUEUE),
    "declare": lambda channel: channel.queue_declare(QUEUE, durable=True),
    "declare another": lambda channel: channel.queue_declare("mine", durable=True),
    "purge": lambda channel: channel.queue_purge(QUEUE),
    "delete": lambda channel: channel.queue_delete(QUEUE),
    "bind": lambda channel: channel.queue_bind(QUEUE, "amq.direct", "x"),
    "delete the exchange": lambda channel: channel.exchange_delete(QUEUE),
    "push to any queue": lambda channel: channel.basic_publish_confirm(
        amqp.Message(b"{}"), exchange="", routing_key="lamina.index", timeout=5
    ),
    "read the dead letters": lambda channel: channel.basic_get(DEAD),
}


@pytest.mark.parametrize("act", FORBIDDEN)
def test_a_producer_may_do_nothing_but_push(producer: Producer, act: str) -> None:
    producer.channel.connection.transport.sock.settimeout(10)
    with pytest.raises(amqp.AccessRefused):
        FORBIDDEN[act](producer.channel)


def test_messages_are_accepted_in_the_order_they_were_pushed(
    desk: Desk, producer: Producer
) -> None:
    for number in range(120):
        producer.push(push("", documents=[{"id": "same", "text": str(number)}]))
    desk.prefetch = 50
    desk.crash()
    assert desk.take_all(120) == 120
    assert desk.world.records.document("c", "same").text == "119"


def test_equal_pushes_are_two_and_equal_celery_messages_one(desk: Desk, producer: Producer) -> None:
    producer.push(push("again"), push("again"))
    producer.send(as_amqp(envelope()))
    producer.send(as_amqp(envelope()))
    producer.push(push("named"), push("named"), message_id="a name")
    desk.take_all(6)
    assert waiting(desk.world) == 4


def test_going_back_to_an_earlier_text_is_not_taken_for_a_repetition(
    desk: Desk, producer: Producer
) -> None:
    for text in ("first", "second", "first"):
        producer.push(push(text, documents=[{"id": "d", "text": text}]))
        desk.take_all(1)
    assert desk.world.records.document("c", "d").text == "first"


def test_what_was_taken_and_not_stored_is_delivered_again(desk: Desk, producer: Producer) -> None:
    producer.push(push("equal"), push("equal"), push("keyed", key="k"))
    producer.push(push("named"), message_id="n")
    before = desk.source.take(10, timeout_seconds=2)
    assert len(before) == 4
    desk.crash()
    after = desk.source.take(10, timeout_seconds=2)
    assert {one.receipt for one in after} == {one.receipt for one in before}
    assert [one.raw for one in after] == [one.raw for one in before]
    assert all(one.again for one in after)
    desk.crash()
    assert desk.take_all(4) == 4
    assert waiting(desk.world) == 4
    assert receipts(desk) == []


def test_what_was_stored_and_not_acknowledged_is_recognised(desk: Desk, producer: Producer) -> None:
    producer.push(push("no key"), push("no key"), push("keyed", key="k"))
    producer.push(b"nonsense", b"nonsense", push("none", documents=[]))
    producer.push(push("named"), message_id="n")
    producer.send(as_amqp(envelope()))
    desk.source.done = lambda messages: None  # type: ignore[method-assign]  # it dies before
    assert desk.delivery.deliver(200, timeout_seconds=2) == 8

    desk.crash()

    assert desk.take_all(8) == 8
    assert waiting(desk.world) == 5
    assert len(desk.world.refused()) == 3
    assert receipts(desk) == []


def test_an_equal_push_that_a_crash_gave_back_is_not_taken_for_the_stored_one(
    desk: Desk, producer: Producer
) -> None:
    producer.push(push("on"))
    desk.take_all(1)
    producer.push(push("on"))
    assert len(desk.source.take(10, timeout_seconds=2)) == 1
    desk.crash()
    assert desk.take_all(1) == 1
    assert waiting(desk.world) == 2


def test_prefetched_messages_of_a_stopped_intake_go_to_another_one(
    desk: Desk, producer: Producer
) -> None:
    producer.push(*(push("equal") for _ in range(30)))
    assert desk.delivery.deliver(5, timeout_seconds=2) == 5
    twin = Desk(desk.world, desk.server)
    with closing(twin.source):
        assert twin.take_all() == 0  # the first holds them all
        desk.source.close()
        assert twin.take_all(25) == 25
    assert waiting(desk.world) == 30


def test_two_intakes_share_the_queue(desk: Desk, producer: Producer) -> None:
    desk.prefetch = 5
    desk.crash()
    twin = Desk(desk.world, desk.server, prefetch=5)
    with closing(twin.source):
        assert desk.source.take(5, timeout_seconds=0.1) == []
        assert twin.source.take(5, timeout_seconds=0.1) == []
        producer.push(*(push("equal") for _ in range(40)))
        taken = [0, 0]
        while sum(taken) < 40:
            for place, one in enumerate((desk, twin)):
                taken[place] += one.delivery.deliver(5, timeout_seconds=1)
    assert waiting(desk.world) == 40
    assert min(taken) >= 5


def test_while_the_disk_is_nearly_full_messages_stay_in_the_queue(
    desk: Desk, producer: Producer
) -> None:
    desk.crash()
    producer.push(push("patience"))
    desk.room = Room(Cramped(desk.world.folder / "index", free=10**8), 10**9)
    with pytest.raises(OutOfSpace):
        desk.take_all()
    assert desk.server.waiting(QUEUE) == 1
    desk.room = None
    assert desk.take_all(1) == 1


def test_a_batch_stops_before_it_is_too_large_for_memory(
    desk: Desk, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only its size may end the batch, however slowly the next message comes.
    monkeypatch.setattr(amqp_source, "_MORE_SECONDS", 10)
    producer.push(*(b"x" * 12_000_000 for _ in range(4)))
    assert len(desk.source.take(200, timeout_seconds=10)) == 3
    desk.source.close()


def test_a_message_that_expired_is_taken_all_the_same(desk: Desk, producer: Producer) -> None:
    desk.crash()
    producer.push(push("late"), expiration="1")
    producer.push(push("in time"))
    end = time.monotonic() + 20
    while desk.server.waiting(DEAD) != 1:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert desk.take_all(2) == 2
    assert waiting(desk.world) == 2


def test_a_message_that_kills_its_intakes_is_kept_unopened_and_harms_no_other(
    world: World, rabbit: RabbitServer
) -> None:
    desk = Desk(world, rabbit, deliveries=2)
    desk.take_all()
    raw = push("poison", key="k")
    with Connection(rabbit.producer_url) as connection:
        producer = Producer(connection.channel())
        producer.push(raw)
        for _ in range(3):
            assert len(desk.source.take(10, timeout_seconds=5)) == 1
            desk.crash()
        producer.push(push("next", key="next"))
    assert desk.take_all(2) == 2
    (kept,) = world.refused()
    assert (kept.reason, kept.raw) == ("undeliverable", raw)
    assert "LAMINA_BROKER_DELIVERIES" in kept.detail
    assert waiting(world) == 1
    assert receipts(desk) == []
    desk.source.close()


def test_a_queue_that_another_declared_is_named_and_no_message_is_harmed(
    world: World, rabbit: RabbitServer
) -> None:
    with rabbit.connect() as connection:
        channel: Any = connection.channel()
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        channel.basic_publish_confirm(amqp.Message(b"{}"), exchange="", routing_key=QUEUE)
    desk = Desk(world, rabbit)
    with pytest.raises(BrokerUnavailable, match=r"another queue 'lamina.submit'.*delete it"):
        desk.take_all()
    assert rabbit.waiting(QUEUE) == 1
    desk.source.close()
    rabbit.forget(QUEUE)
    assert desk.take_all() == 0
    desk.source.close()


def test_a_deleted_queue_is_declared_again(desk: Desk, producer: Producer) -> None:
    desk.server.forget(QUEUE)
    with pytest.raises(BrokerUnavailable):
        desk.take_all()
    desk.source.close()
    assert desk.take_all() == 0
    producer.push(push("a text"))
    assert desk.take_all(1) == 1


def test_a_broker_that_is_away_or_stalled_is_a_fault_that_may_go_away(
    desk: Desk, producer: Producer
) -> None:
    away = AmqpSource("amqp://127.0.0.1:1//", _queue(), desk.world.folder)
    with pytest.raises(BrokerUnavailable):
        away.take(1, timeout_seconds=0)
    producer.push(push("a text"))
    messages = desk.source.take(1, timeout_seconds=5)
    desk.server.send(signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            desk.source.done(messages)
        desk.source.close()
        with pytest.raises(BrokerUnavailable):
            desk.source.take(1, timeout_seconds=0)
        desk.source.close()
        assert time.monotonic() - started < 15
    finally:
        desk.server.send(signal.SIGCONT)


def test_the_wrong_password_is_said(desk: Desk) -> None:
    source = AmqpSource(desk.server.url_of("lamina", "wrong"), _queue(), desk.world.folder)
    with pytest.raises(BrokerUnavailable, match="ACCESS_REFUSED"):
        source.take(1, timeout_seconds=0)
    source.close()


def _queue() -> AmqpQueue:
    return AmqpQueue(name=QUEUE, prefetch=1, deliveries=100, message_bytes=MESSAGE_BYTES)
