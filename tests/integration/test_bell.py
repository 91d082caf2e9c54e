"""The bell: rung through a real broker, never in the way of who rings."""

import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from shared import queue
from shared.queue import CeleryBell
from tests.redis_server import RedisServer

INDEX_QUEUE = queue.INDEX_QUEUE.name


@pytest.fixture
def bell(server: RedisServer, client: redis.Redis) -> Iterator[CeleryBell]:
    opened = CeleryBell(server.url)
    yield opened
    opened.close()


def unheard(client: redis.Redis) -> int:
    return cast("int", client.llen(INDEX_QUEUE))


def wait_until(happened: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_ring_is_one_small_message_that_expires(bell: CeleryBell, client: redis.Redis) -> None:
    bell.ring()
    wait_until(lambda: unheard(client))
    (raw,) = cast("list[bytes]", client.lrange(INDEX_QUEUE, 0, -1))
    message = json.loads(raw)
    assert message["headers"]["task"] == "lamina.index"
    assert message["headers"]["expires"]
    assert message["properties"]["expiration"] == "30000"
    assert len(raw) < 1000


def test_a_burst_is_few_messages(bell: CeleryBell, client: redis.Redis) -> None:
    for _ in range(10_000):
        bell.ring()
    bell.close()
    assert 1 <= unheard(client) <= 10


def test_bells_that_nobody_hears_do_not_pile_up(bell: CeleryBell, client: redis.Redis) -> None:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        bell.ring()
        time.sleep(0.005)
    assert unheard(client) <= 16


def test_the_last_ring_is_sent_before_the_bell_closes(
    bell: CeleryBell, client: redis.Redis
) -> None:
    bell.ring()
    bell.close()
    assert unheard(client) == 1
    bell.ring()
    assert unheard(client) == 1


def test_without_a_broker_ringing_does_nothing() -> None:
    bell = CeleryBell("")
    bell.ring()
    bell.close()


def test_ringing_and_closing_take_no_time_while_the_broker_is_stalled(
    server: RedisServer, bell: CeleryBell, client: redis.Redis
) -> None:
    bell.ring()
    wait_until(lambda: unheard(client))
    os.kill(server.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        for _ in range(100):
            bell.ring()
            time.sleep(0.001)
        assert time.monotonic() - started < 3.0
        started = time.monotonic()
        bell.close()
        assert time.monotonic() - started < 3.0
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_an_outage_is_said_once_and_the_bell_is_heard_again_after_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with RedisServer(tmp_path) as server:
        bell = CeleryBell(server.url)
        bell.ring()
        with server.client() as client:
            wait_until(lambda: unheard(client))
        server.kill()
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            bell.ring()
            time.sleep(0.01)
        server.start()
        with server.client() as client:
            client.delete(INDEX_QUEUE)

            def rung() -> object:
                bell.ring()
                return unheard(client)

            wait_until(rung)
        bell.close()
    said = capfd.readouterr()
    assert (said.out + said.err).count("bell_unheard") == 1
    assert (said.out + said.err).count("bell_back") == 1


def test_a_bell_made_before_a_fork_rings_after_it(
    bell: CeleryBell, server: RedisServer, client: redis.Redis
) -> None:
    bell.ring()  # its thread lives in this process only
    wait_until(lambda: unheard(client))
    client.flushall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tested
        child = os.fork()
    if child == 0:
        bell.ring()
        bell.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert unheard(client) == 1
