"""The embedded broker's accounts: what producers may do, with the libraries they use."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis
from celery import Celery
from kombu import Connection, Exchange, Queue

from shared.cli.broker_server import BrokerServer, open_broker
from shared.settings import Settings
from tests.running import free_port

QUEUE = "lamina.submit"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerServer]:
    """A broker as `lamina up` starts it."""
    folder = tmp_path_factory.mktemp("broker")
    server = open_broker(Settings(data_dir=folder, broker={"port": free_port()}, _env_file=None))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server.command(), stdout=log, stderr=log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def lamina(server: BrokerServer) -> Iterator["redis.Redis"]:
    """A connection of Lamina's own account to an empty broker."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def producer(server: BrokerServer) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(server.producer_url) as client:
        yield client


def test_a_producer_pushes_plain_messages(lamina: "redis.Redis", producer: "redis.Redis") -> None:
    producer.lpush(QUEUE, "{}")

    assert lamina.lrange(QUEUE, 0, -1) == [b"{}"]


@pytest.mark.parametrize("priority", [0, 3, 9])
def test_a_producer_sends_celery_tasks(
    server: BrokerServer, lamina: "redis.Redis", priority: int
) -> None:
    with Celery(broker=server.producer_url, set_as_current=False) as app:
        app.send_task("lamina.submit.v1", kwargs={}, queue=QUEUE, priority=priority, retry=False)

    name = f"{QUEUE}\x06\x16{priority}" if priority else QUEUE
    assert lamina.llen(name) == 1


def test_a_producer_publishes_with_kombu(server: BrokerServer, lamina: "redis.Redis") -> None:
    queue = Queue(QUEUE, Exchange(QUEUE), routing_key=QUEUE)
    with Connection(server.producer_url) as connection:
        with connection.Producer() as sender:
            sender.publish({}, routing_key=QUEUE, exchange="")
            sender.publish({}, routing_key=QUEUE, exchange=queue.exchange, declare=[queue])
        with connection.SimpleQueue(QUEUE) as simple:
            simple.put({})

    assert lamina.llen(QUEUE) == 3


def test_a_producer_fetches_replies(lamina: "redis.Redis", producer: "redis.Redis") -> None:
    lamina.lpush("lamina.reply.mine", "first", "second")

    fetched: object = producer.brpop(["lamina.reply.mine"], timeout=1)
    rest: object = producer.rpop("lamina.reply.mine")

    assert list(cast("list[bytes]", fetched)) == [b"lamina.reply.mine", b"first"]
    assert rest == b"second"


@pytest.mark.parametrize(
    "command",
    [
        ("LPUSH", "lamina.reply.mine", "forged"),
        ("RPUSH", "lamina.reply.mine", "forged"),
        ("DEL", "lamina.reply.mine"),
        ("LRANGE", "lamina.reply.mine", "0", "-1"),
        ("RPOPLPUSH", QUEUE, "lamina.reply.mine"),
        ("LMOVE", "lamina.reply.mine", QUEUE, "LEFT", "LEFT"),
        ("SCAN", "0"),
        ("RPOP", "lamina.index"),
        ("BRPOP", QUEUE, "1"),
        ("BLPOP", "lamina.reply.mine", QUEUE, "1"),
        ("RPOP", QUEUE),
        ("LRANGE", QUEUE, "0", "-1"),
        ("DEL", QUEUE),
        ("LPUSH", "lamina.index", "x"),
        ("LPUSH", f"{QUEUE}:processing:0", "x"),
        ("SADD", "_kombu.binding.celery", "x"),
        ("SADD", QUEUE, "x"),
        ("SMEMBERS", QUEUE),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("PUBLISH", "/0.celery.pidbox", "x"),
        ("CONFIG", "GET", "requirepass"),
        ("ACL", "WHOAMI"),
        ("EVAL", "return 1", "0"),
        ("SHUTDOWN", "NOSAVE"),
        ("MONITOR",),
    ],
    ids=" ".join,
)
def test_a_producer_may_do_nothing_else(
    lamina: "redis.Redis", producer: "redis.Redis", command: tuple[str, ...]
) -> None:
    lamina.lpush(QUEUE, "kept")

    with pytest.raises(redis.ResponseError, match=r"(?i)permission|wrong kind of value"):
        producer.execute_command(*command)  # type: ignore[no-untyped-call]  # redis has none

    assert lamina.lrange(QUEUE, 0, -1) == [b"kept"]


def test_nobody_gets_in_without_a_password(server: BrokerServer) -> None:
    with (
        redis.Redis(port=server.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_what_was_pushed_outlives_a_killed_server(tmp_path: Path) -> None:
    server = open_broker(Settings(data_dir=tmp_path, broker={"port": free_port()}, _env_file=None))
    for round_ in range(2):
        process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL)
        try:
            server.wait_until_ready()
            with redis.Redis.from_url(server.producer_url) as producer:
                assert producer.llen(QUEUE) == round_
                producer.lpush(QUEUE, str(round_))
        finally:
            process.kill()
            process.wait()


def test_the_address_is_printed_before_anything_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "shared.cli", "broker-url"]
    environment = {"LAMINA_DATA_DIR": str(tmp_path), "LAMINA_BROKER_PORT": "6555"}
    root = Path(__file__).resolve().parents[2]
    printed = [
        subprocess.run(
            command, env=environment, cwd=root, check=True, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    ]

    assert printed[0] == printed[1]
    assert printed[0].startswith("redis://producer:")
    assert printed[0].endswith("@127.0.0.1:6555/0\n")
