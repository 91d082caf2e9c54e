"""Producers that wait for the receipt get it, on either broker, and nobody waits for them."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import amqp
import pytest
import redis
from kombu import Connection

from shared import schemas
from shared.errors import BrokerUnavailable
from shared.replies import PREFIX, Reply
from tests.integration.test_amqp_intake import Desk as AmqpDesk
from tests.integration.test_amqp_intake import Producer
from tests.integration.test_intake import QUEUE, Desk
from tests.rabbit_server import RabbitServer
from tests.redis_server import RedisServer
from tests.worker_process import WorkerProcess, wait_until
from tests.worlds import World
from workers.intake.amqp_outlet import AmqpOutlet
from workers.intake.redis_outlet import RedisOutlet
from workers.intake.replying import Replies

Fields = Mapping[str, Any]


def push(**changes: object) -> bytes:
    message = {"collection": "c", "documents": [{"id": "d", "text": "a text"}], "reply_to": "me"}
    return json.dumps(message | changes).encode()


def checked(raw: bytes) -> Fields:
    """Return a reply that is as the published schema says."""
    reply: Fields = json.loads(raw)
    assert schemas.find_faults(schemas.REPLY, dict(reply)) == []
    return reply


@pytest.fixture
def desk(world: World, server: RedisServer, client: redis.Redis) -> Iterator[Desk]:
    opened = Desk(world, server)
    yield opened
    opened.source.close()
    opened.replies.close()


def fetch(client: redis.Redis, name: str = "me") -> list[Fields]:
    """Take all replies that wait, oldest first."""
    found: list[Any] = []
    while (raw := client.rpop(PREFIX + name)) is not None:
        found.append(raw)
    return [checked(raw) for raw in found]


def test_an_accepted_message_is_answered_with_its_receipt(desk: Desk, client: redis.Redis) -> None:
    began = time.time()
    client.lpush(QUEUE, push(key="k", documents=[{"text": "one"}, {"text": "two"}]))
    desk.take_all()

    (reply,) = fetch(client)

    (entry,) = desk.world.inbox.receipts("k")
    assert reply == {
        "key": "k",
        "status": "accepted",
        "collection": "c",
        "job_id": entry.job_id,
        "documents": 2,
        "repeated": False,
        "reason": None,
        "detail": None,
        "received_at": reply["received_at"],
    }
    assert reply["received_at"].endswith("Z")
    assert abs(entry.received_at - began) < 60


def test_a_refused_message_is_answered_with_the_reason(desk: Desk, client: redis.Redis) -> None:
    client.lpush(QUEUE, push(key="a", collection="nowhere"), push(key="b", documents=[]))
    client.lpush(QUEUE, b"nonsense", push(reply_to="not a name"))
    desk.take_all()

    replies = {one["key"]: one for one in fetch(client)}

    assert set(replies) == {"a", "b"}
    assert (replies["a"]["status"], replies["a"]["reason"]) == ("rejected", "no-such-collection")
    assert "nowhere" in replies["a"]["detail"]
    assert (replies["b"]["reason"], replies["b"]["collection"]) == ("bad-payload", "c")
    assert (replies["b"]["job_id"], replies["b"]["documents"]) == (None, 0)
    assert client.keys(f"{PREFIX}*") == []


def test_a_key_sent_again_is_answered_again_as_a_repetition(
    desk: Desk, client: redis.Redis
) -> None:
    for _ in range(2):
        client.lpush(QUEUE, push(key="k"))
        desk.take_all()
    first, second = fetch(client)
    assert (first["repeated"], second["repeated"]) == (False, True)
    assert first["job_id"] == second["job_id"]
    assert first["received_at"] == second["received_at"]


def test_everybody_gets_their_own_and_who_asks_for_none_gets_none(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, push(key="1", reply_to="a"), push(key="2", reply_to="b"))
    client.lpush(QUEUE, push(key="3", reply_to="a"), push(key="4", reply_to=None))
    desk.take_all()
    assert [one["key"] for one in fetch(client, "a")] == ["1", "3"]
    assert [one["key"] for one in fetch(client, "b")] == ["2"]
    assert client.keys(f"{PREFIX}*") == []


def test_replies_that_nobody_fetches_are_few_and_end(desk: Desk, client: redis.Redis) -> None:
    client.lpush(QUEUE, *(push(key=f"k{number}") for number in range(5)))
    desk.take_all()
    assert 0 < cast("int", client.ttl(f"{PREFIX}me")) <= 60
    assert [one["key"] for one in fetch(client)] == ["k2", "k3", "k4"], "the newest are kept"


def test_a_place_that_is_no_list_keeps_nobody_from_theirs(desk: Desk, client: redis.Redis) -> None:
    client.set(f"{PREFIX}odd", "not a list")
    client.lpush(QUEUE, push(key="1", reply_to="odd"), push(key="2"))
    assert desk.take_all() == 2
    assert [one["key"] for one in fetch(client)] == ["2"]
    assert desk.world.reading.waiting(desk.world.collection.id) == 2


def test_what_is_read_again_is_answered_again_refused_or_not(
    desk: Desk, client: redis.Redis
) -> None:
    client.lpush(QUEUE, push(key="good"), push(key="bad", documents=[]))
    messages = desk.source.take(10, timeout_seconds=0)
    desk.take_all()  # recovers, as after a crash between the commit and `done`
    assert {(one["key"], one["repeated"]) for one in fetch(client)} == {
        ("good", False),
        ("bad", False),
    }
    for message in messages:
        client.hset(f"{QUEUE}:processing:0", mapping={message.receipt: message.raw})
    desk.take_all()
    assert {(one["key"], one["repeated"]) for one in fetch(client)} == {
        ("good", True),
        ("bad", False),
    }
    assert len(desk.world.refused()) == 1


@dataclass
class Mute:
    """An outlet whose broker is away."""

    tried: list[int] = field(default_factory=list)

    def push(self, replies: Sequence[Reply]) -> None:
        self.tried.append(len(replies))
        raise BrokerUnavailable

    def close(self) -> None:
        """Nothing to let go of."""


def test_a_reply_that_cannot_be_sent_holds_up_no_document(desk: Desk, client: redis.Redis) -> None:
    mute = Mute()
    delivery = replace(desk.delivery, replies=Replies(mute, silent_seconds=3600))
    for number in range(3):
        client.lpush(QUEUE, push(key=f"k{number}"))
        assert delivery.deliver(10, timeout_seconds=0) == 1
    assert desk.world.reading.waiting(desk.world.collection.id) == 3
    assert client.hlen(f"{QUEUE}:processing:0") == 0
    assert mute.tried == [1], "after a failure nothing is tried for a while"
    again = Replies(mute, silent_seconds=0)
    for _ in range(2):
        again.send([Reply(to="x", body=b"")])
    assert mute.tried == [1, 1, 1]


def test_a_broker_that_answers_nothing_costs_a_moment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for outlet in (
            RedisOutlet(f"redis://127.0.0.1:{port}/0", most=1, seconds=1),
            AmqpOutlet(f"amqp://a:b@127.0.0.1:{port}//", seconds=1),
        ):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                outlet.push([Reply(to="x", body=b"{}")])
            assert time.monotonic() - began < 10
            outlet.close()


def test_an_intake_that_dies_after_the_commit_is_repeated_with_its_reply(
    tmp_path: Path, server: RedisServer, client: redis.Redis, world: World
) -> None:
    client.lpush(QUEUE, push(key="k"), push(key="bad", documents=[]))
    with WorkerProcess("intake", tmp_path, server.url, LAMINA_FAIL_AT="intake.committed") as killed:
        assert killed.wait(seconds=60) != 0
    assert fetch(client) == []

    with WorkerProcess("intake", tmp_path, server.url) as again:
        wait_until(lambda: client.llen(f"{PREFIX}me") == 2)
        assert again.stop() == 0

    assert {(one["key"], one["repeated"]) for one in fetch(client)} == {
        ("k", True),
        ("bad", False),
    }
    assert world.reading.waiting(world.collection.id) == 1


# --- RabbitMQ ---------------------------------------------------------------------------

MINE = f"{PREFIX}orders.me"


@pytest.fixture
def rabbit_desk(world: World, rabbit: RabbitServer) -> Iterator[AmqpDesk]:
    opened = AmqpDesk(world, rabbit)
    assert opened.take_all() == 0  # declares the queue
    yield opened
    opened.source.close()
    opened.replies.close()


@pytest.fixture
def waiting_producer(rabbit_desk: AmqpDesk) -> Iterator[Producer]:
    """An app with the rights that README gives to one that waits for replies."""
    server = rabbit_desk.server
    server.let_fetch_replies()
    with Connection(server.producer_url) as connection:
        producer = Producer(connection.channel())
        producer.channel.queue_declare(MINE, durable=False, exclusive=True)
        yield producer
    server.give_rights()


def get(producer: Producer) -> list[Fields]:
    found = []
    while message := producer.channel.basic_get(MINE, no_ack=True):
        body = message.body
        found.append(checked(body.encode() if isinstance(body, str) else bytes(body)))
    return found


def test_on_rabbitmq_replies_go_to_the_queue_of_that_name(
    rabbit_desk: AmqpDesk, waiting_producer: Producer
) -> None:
    waiting_producer.push(
        push(key="1", reply_to="orders.me"), push(key="2", reply_to="orders.me", documents=[])
    )
    waiting_producer.push(push(key="3", reply_to="orders.nobody-declared-it"), push(key="4"))

    assert rabbit_desk.take_all(4) == 4

    assert [(one["key"], one["status"]) for one in get(waiting_producer)] == [
        ("1", "accepted"),
        ("2", "rejected"),
    ]
    assert len(rabbit_desk.world.records.jobs(limit=9)) == 3
    waiting_producer.push(push(key="1", reply_to="orders.me"))
    rabbit_desk.take_all(1)
    assert [one["repeated"] for one in get(waiting_producer)] == [True]


def test_who_waits_for_replies_may_do_nothing_else_more(
    rabbit_desk: AmqpDesk, waiting_producer: Producer
) -> None:
    others = "lamina.reply.others.mail"
    wrongs: tuple[Callable[[Any], object], ...] = (
        lambda channel: channel.basic_get(QUEUE),
        lambda channel: channel.queue_purge(QUEUE),
        lambda channel: channel.queue_declare(others),
        lambda channel: channel.basic_get(others),
        lambda channel: channel.queue_bind(MINE, exchange=QUEUE),
    )
    for wrong in wrongs:
        with (
            Connection(rabbit_desk.server.producer_url) as connection,
            pytest.raises(amqp.AccessRefused),
        ):
            wrong(connection.channel())


@pytest.mark.slow
def test_on_rabbitmq_a_reply_that_may_not_be_sent_holds_up_nothing(
    rabbit_desk: AmqpDesk, waiting_producer: Producer
) -> None:
    server = rabbit_desk.server
    # Publishing to the default exchange needs a right of its own.
    server.control("set_permissions", "lamina", r"^lamina\.", r"^lamina\.", r"^lamina\.")
    try:
        waiting_producer.push(push(key="1", reply_to="orders.me"))
        assert rabbit_desk.take_all(1) == 1
    finally:
        server.give_rights()
        server.let_fetch_replies()
    assert get(waiting_producer) == []
    assert rabbit_desk.world.reading.waiting(rabbit_desk.world.collection.id) == 1
    rabbit_desk.crash()  # the next one does not remember that replies failed
    waiting_producer.push(push(key="2", reply_to="orders.me"))
    rabbit_desk.take_all(1)
    assert [one["key"] for one in get(waiting_producer)] == ["2"]


def test_replies_go_on_after_rabbitmq_closed_the_connection(
    rabbit_desk: AmqpDesk, waiting_producer: Producer
) -> None:
    outlet = AmqpOutlet(rabbit_desk.server.lamina_url, seconds=60)
    outlet.push([Reply(to="lamina.reply.x", body=b"{}")])
    outlet._connection.transport.sock.close()
    outlet.push([Reply(to=MINE, body=push())])
    assert waiting_producer.channel.basic_get(MINE, no_ack=True) is not None
    outlet.close()
