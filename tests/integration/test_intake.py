"""From the queue into the catalog: nothing is lost, nothing doubled, nothing ends the intake."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import redis
from celery import Celery

from shared.domain import (
    Amendment,
    Chunking,
    Metric,
    Receipt,
    ReceiptEntry,
    Rejection,
    SpaceDraft,
    Submission,
)
from shared.errors import BrokerUnavailable, CatalogUnavailable, OutOfSpace
from shared.messages import MessageLimits
from shared.upkeep.room import Room
from tests.golden import ACCEPTED, golden
from tests.golden.malformed import MALFORMED, envelope
from tests.redis_server import RedisServer
from tests.worlds import LIMITS, Cramped, World
from workers.intake.delivery import Delivery
from workers.intake.redis_outlet import RedisOutlet
from workers.intake.redis_source import RedisSource
from workers.intake.replying import Replies

QUEUE = "lamina.submit"


@dataclass
class Desk:
    """An intake in this process."""

    world: World
    server: RedisServer
    name: str = "0"
    room: Room | None = None
    source: RedisSource = field(init=False)
    replies: Replies = field(init=False)

    def __post_init__(self) -> None:
        self.source = RedisSource(self.server.url, QUEUE, self.name)
        self.replies = Replies(RedisOutlet(self.server.url, most=3, seconds=60))

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
                documents=LIMITS, message_bytes=16 * 1024 * 1024, rejected_bytes=100_000
            ),
            queue=f"queue:{QUEUE}",
        )

    def take_all(self) -> int:
        """Recover, then deliver until the queue is empty; return how many messages."""
        self.source.recover()
        taken = 0
        while some := self.delivery.deliver(200, timeout_seconds=0.05):
            taken += some
        return taken


@pytest.fixture
def desk(world: World, server: RedisServer, client: redis.Redis) -> Iterator[Desk]:
    opened = Desk(world, server)
    yield opened
    opened.source.close()
    opened.replies.close()


def push(text: str, **changes: object) -> bytes:
    return json.dumps({"collection": "c", "documents": [{"text": text}]} | changes).encode()


def waiting(world: World) -> int:
    return world.reading.waiting(world.collection.id)


def test_a_message_of_every_client_becomes_a_job(desk: Desk, client: redis.Redis) -> None:
    world = desk.world
    draft = SpaceDraft(encoder=world.encoder.card, metric=Metric.COSINE, chunking=Chunking())
    world.collections.create("default", draft)
    for name in ACCEPTED:
        client.lpush(QUEUE, golden(name))

    assert desk.take_all() == len(ACCEPTED)

    assert world.refused() == []
    jobs = world.records.jobs(limit=100)
    # The recorded Python messages share one key and one content, and so do the plain pushes.
    assert {job.key for job in jobs} >= {"py-key", "ts-key", "cli-key", "v1-key"}
    assert client.llen(QUEUE) == 0
    assert client.hlen(f"{QUEUE}:processing:0") == 0


def test_while_the_disk_is_nearly_full_messages_stay_in_the_queue(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, push("patience"))
    desk.room = Room(Cramped(desk.world.folder / "index", free=10**8), 10**9)

    with pytest.raises(OutOfSpace):
        desk.take_all()

    assert client.llen(QUEUE) == 1
    assert desk.world.refused() == []
    desk.room = None
    assert desk.take_all() == 1
    assert waiting(desk.world) == 1


def test_twenty_malformed_messages_are_kept_and_the_next_good_one_is_taken(
    desk: Desk, client: redis.Redis
) -> None:
    for raw, _ in MALFORMED.values():
        client.lpush(QUEUE, raw)
    client.lpush(QUEUE, envelope(message_id="the-good-one"))

    assert desk.take_all() == len(MALFORMED) + 1

    kept = desk.world.refused()
    assert sorted(one.reason for one in kept) == sorted(reason for _, reason in MALFORMED.values())
    assert {one.raw for one in kept} == {raw[:100_000] for raw, _ in MALFORMED.values()}
    (receipt,) = desk.world.inbox.receipts("message:the-good-one")
    assert receipt.status == "accepted"
    assert waiting(desk.world) == 1


def test_a_message_for_no_collection_is_rejected_and_harms_no_other(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, push("lost", collection="nowhere", key="k1"), push("found", key="k2"))
    desk.take_all()
    assert [one.reason for one in desk.world.inbox.receipts("k1")] == ["no-such-collection"]
    assert [one.status for one in desk.world.inbox.receipts("k2")] == ["accepted"]


def test_another_app_submits_with_nothing_but_celery(desk: Desk) -> None:
    with Celery(broker=desk.server.url, set_as_current=False) as app:
        sent = app.send_task(
            "lamina.submit.v1",
            kwargs={"collection": "c", "documents": [{"id": "1", "text": "from another app"}]},
            queue=QUEUE,
            priority=6,
            ignore_result=True,
        )
    desk.take_all()
    assert desk.world.records.document("c", "1").text == "from another app"
    (receipt,) = desk.world.inbox.receipts(f"message:{sent.id}")
    assert receipt.status == "accepted"
    assert receipt.source == "queue:lamina.submit"


def test_all_priorities_are_taken_the_lowest_number_first(desk: Desk, client: redis.Redis) -> None:
    for priority in ("9", "6", "3"):
        client.lpush(f"{QUEUE}\x06\x16{priority}", push("a text", key=priority))
    client.lpush(QUEUE, push("a text", key="0"))
    desk.take_all()
    assert [job.key for job in desk.world.records.jobs(limit=10)] == ["9", "6", "3", "0"]


def test_messages_are_accepted_in_the_order_they_were_pushed(
    desk: Desk, client: redis.Redis
) -> None:
    for number in range(220):
        client.lpush(QUEUE, push(f"text {number}", documents=[{"id": "same", "text": str(number)}]))
    assert desk.take_all() == 220
    assert desk.world.records.document("c", "same").text == "219"


def test_equal_pushes_are_two_and_equal_celery_messages_one(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, push("again"), push("again"))
    client.lpush(QUEUE, envelope(), envelope())
    desk.take_all()
    assert waiting(desk.world) == 3


def test_going_back_to_an_earlier_text_is_not_taken_for_a_repetition(
    desk: Desk, client: redis.Redis
) -> None:
    for text in ("first", "second", "first"):
        client.lpush(QUEUE, push(text, documents=[{"id": "d", "text": text}]))
    desk.take_all()
    assert desk.world.records.document("c", "d").text == "first"


def test_the_bell_rings_after_something_was_accepted_and_only_then(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, b"nonsense")
    desk.take_all()
    assert desk.world.bell.rung == 0
    client.lpush(QUEUE, push("a text"))
    desk.take_all()
    assert desk.world.bell.rung == 1


def test_what_was_taken_and_not_stored_is_read_again(desk: Desk, client: redis.Redis) -> None:
    client.lpush(QUEUE, push("a text"))
    (first,) = desk.source.take(10, timeout_seconds=0)
    assert client.llen(QUEUE) == 0

    desk.source = RedisSource(desk.server.url, QUEUE, "0")
    desk.source.recover()
    (second,) = desk.source.take(10, timeout_seconds=0)
    assert second == replace(first, again=True)


def test_what_was_stored_and_not_forgotten_is_recognised(desk: Desk, client: redis.Redis) -> None:
    client.lpush(QUEUE, push("no key"), envelope(), b"nonsense", push("none", documents=[]))
    messages = desk.source.take(10, timeout_seconds=0)
    assert len(messages) == 4
    desk.take_all()  # recovers, as after a crash between the commit and `done`
    assert waiting(desk.world) == 2
    for message in messages:
        client.hset(f"{QUEUE}:processing:0", mapping={message.receipt: message.raw})
    assert desk.take_all() == 4
    assert waiting(desk.world) == 2
    assert len(desk.world.refused()) == 2


def test_the_messages_of_a_dead_intake_are_taken_over_with_their_receipts(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, push("one"), push("two"))
    dead = RedisSource(desk.server.url, QUEUE, "dead")
    left = dead.take(10, timeout_seconds=0)
    assert desk.source.recover() == 0  # it said so a moment ago that it is alive
    client.delete(f"{QUEUE}:alive:dead")
    assert desk.source.recover() == 2
    assert desk.source.take(10, timeout_seconds=0) == [replace(one, again=True) for one in left]
    assert client.smembers(f"{QUEUE}:intakes") == {b"0"}
    dead.close()


def test_two_intakes_of_one_name_double_nothing(desk: Desk, client: redis.Redis) -> None:
    client.lpush(QUEUE, *(push(f"text {number}") for number in range(20)))
    twin = Desk(desk.world, desk.server)
    desk.source.recover()
    messages = desk.source.take(200, timeout_seconds=0)
    assert twin.take_all() == len(messages) == 20  # rereads them all
    for message in messages:
        client.hset(f"{QUEUE}:processing:0", mapping={message.receipt: message.raw})
    desk.take_all()
    assert waiting(desk.world) == 20
    twin.source.close()
    twin.replies.close()


def test_a_batch_stops_before_it_is_too_large_for_memory(desk: Desk, client: redis.Redis) -> None:
    for _ in range(4):
        client.lpush(QUEUE, b"x" * 12_000_000)
    assert len(desk.source.take(200, timeout_seconds=0)) == 3
    desk.source.recover()
    assert len(desk.source.take(200, timeout_seconds=0)) == 3


def test_a_broker_that_is_away_is_a_fault_that_may_go_away(world: World, tmp_path: Path) -> None:
    source = RedisSource("redis://127.0.0.1:1/0", QUEUE, "0")
    for act in (source.recover, lambda: source.take(1, timeout_seconds=0)):
        with pytest.raises(BrokerUnavailable):
            act()


def test_a_queue_that_is_no_list_is_a_fault_too_and_harms_no_message(
    desk: Desk, client: redis.Redis
) -> None:
    client.set(QUEUE, "spoilt")
    client.lpush(f"{QUEUE}\x06\x163", push("safe"))
    with pytest.raises(BrokerUnavailable):
        desk.take_all()
    client.delete(QUEUE)
    desk.take_all()
    assert waiting(desk.world) == 1


@dataclass
class FailingInbox:
    """The world's inbox, but for faults that a test asks for."""

    world: World
    away: bool = False
    chokes_on: str = "\x00"

    def accept(self, submission: Submission, *, hold_seconds: float = 0.0) -> Receipt:
        return self.world.inbox.accept(submission, hold_seconds=hold_seconds)

    def amend(self, amendment: Amendment) -> Receipt:
        return self.world.inbox.amend(amendment)

    def take(self, letters: Sequence[Submission | Rejection]) -> Sequence[Receipt | Rejection]:
        if self.away:
            raise CatalogUnavailable
        for letter in letters:
            if isinstance(letter, Submission) and self.chokes_on in letter.documents[0].text:
                msg = "a fault of the database driver"
                raise ZeroDivisionError(msg)
        return self.world.inbox.take(letters)

    def receipts(self, key: str) -> Sequence[ReceiptEntry]:
        return self.world.inbox.receipts(key)


def test_while_the_catalog_is_away_messages_stay_and_are_taken_after(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, *(push(f"text {number}") for number in range(30)))
    inbox = FailingInbox(desk.world, away=True)
    delivery = replace(desk.delivery, inbox=inbox)
    with pytest.raises(CatalogUnavailable):
        delivery.deliver(200, timeout_seconds=0)
    assert client.hlen(f"{QUEUE}:processing:0") == 30
    desk.take_all()
    assert waiting(desk.world) == 30
    assert client.hlen(f"{QUEUE}:processing:0") == 0


def test_a_message_that_the_catalog_chokes_on_is_set_aside_alone(
    desk: Desk, client: redis.Redis
) -> None:
    for number in range(20):
        client.lpush(QUEUE, push("POISON" if number == 7 else f"text {number}"))
    inbox = FailingInbox(desk.world, chokes_on="POISON")
    assert replace(desk.delivery, inbox=inbox).deliver(200, timeout_seconds=0) == 20
    assert waiting(desk.world) == 19
    (kept,) = desk.world.refused()
    assert kept.reason == "not-stored"
    assert b"POISON" in kept.raw
