"""The intake as a process: killed anywhere, its broker killed, told to stop."""

import json
import os
import random
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.golden.malformed import envelope
from tests.redis_server import RedisServer
from tests.worker_process import WorkerProcess, wait_until
from tests.worlds import World

QUEUE = "lamina.submit"
SIGKILLED = -signal.SIGKILL


def intake(tmp_path: Path, server: RedisServer, **environment: str) -> WorkerProcess:
    return WorkerProcess("intake", tmp_path, server.url, **environment)


def push(text: str, **changes: object) -> bytes:
    return json.dumps({"collection": "c", "documents": [{"text": text}]} | changes).encode()


def waiting(world: World) -> int:
    return world.reading.waiting(world.collection.id)


def test_a_kill_at_any_point_neither_loses_nor_doubles(
    tmp_path: Path, server: RedisServer, client: redis.Redis, world: World
) -> None:
    client.lpush(QUEUE, push("no key"), push("no key"), push("keyed", key="k"), envelope())
    client.lpush(QUEUE, b"nonsense")
    for point in ("intake.moved", "intake.committed"):
        with intake(tmp_path, server, LAMINA_FAIL_AT=point) as killed:
            assert killed.wait(seconds=60) == SIGKILLED
        assert client.llen(QUEUE) == 0
        assert client.hlen(f"{QUEUE}:processing:{socket.gethostname()}") == 5

    with intake(tmp_path, server) as again:
        wait_until(lambda: "reading_again" in again.said)
        wait_until(lambda: not client.hlen(f"{QUEUE}:processing:{socket.gethostname()}"))
        assert again.stop() == 0
    assert waiting(world) == 4
    assert len(world.refused()) == 1


@pytest.mark.slow
def test_kills_at_random_moments_neither_lose_nor_double(
    tmp_path: Path, server: RedisServer, client: redis.Redis, world: World
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    pushed = 0
    for _ in range(8):
        with intake(tmp_path, server) as victim:
            victim.wait_until_ready()
            end = time.monotonic() + chance.uniform(0.1, 0.6)
            while time.monotonic() < end:
                client.lpush(QUEUE, push(f"text {pushed}", key=f"k{pushed}"))
                pushed += 1
                time.sleep(0.005)
            victim.send(signal.SIGKILL)
            victim.wait()
    with intake(tmp_path, server) as last:
        wait_until(lambda: waiting(world) >= pushed)
        wait_until(lambda: not client.hlen(f"{QUEUE}:processing:{socket.gethostname()}"))
        assert last.stop() == 0
    assert waiting(world) == pushed
    assert world.refused() == []


def test_the_intake_outlives_its_broker(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder) as server, intake(tmp_path, server) as process:
        process.wait_until_ready()
        with server.client() as client:
            client.lpush(QUEUE, push("before", key="before"))
            wait_until(lambda: waiting(world) == 1)
        server.kill()
        wait_until(lambda: "intake_delayed" in process.said)
        server.start()
        with server.client() as client:
            client.lpush(QUEUE, push("after", key="after"))
            wait_until(lambda: waiting(world) == 2)
        assert not process.ended
        assert process.said.count("intake_delayed") == 1
        assert process.stop() == 0


def test_an_intake_without_a_broker_address_says_so_and_ends(tmp_path: Path) -> None:
    with WorkerProcess("intake", tmp_path) as process:
        assert process.wait() == 2
    assert "LAMINA_BROKER_URL" in process.said


def test_a_role_ends_when_its_parent_does(
    tmp_path: Path, server: RedisServer, world: World
) -> None:
    reading, writing = os.pipe()
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                WorkerProcess(role, tmp_path, server.url).start(
                    "--parent-fd", str(reading), pass_fds=(reading,)
                )
            )
            for role in ("intake", "upkeep")
        ]
        os.close(reading)
        for child in children:
            child.wait_until_ready()
        wait_until(lambda: world.roster.alive(within_seconds=60) == {"intake": 1, "upkeep": 1})
        os.close(writing)
        assert [child.wait() for child in children] == [0, 0]
