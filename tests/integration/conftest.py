"""Fixtures of the integration tests: private brokers, and a small Lamina in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.rabbit_server import RabbitServer, start_rabbit
from tests.redis_server import RedisServer
from tests.worlds import World


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="session")
def rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A RabbitMQ for all tests that need one; it takes a while to start."""
    server = start_rabbit(tmp_path_factory.mktemp("rabbit"))
    yield server
    server.stop()


@pytest.fixture
def rabbit(rabbit_server: RabbitServer) -> RabbitServer:
    """The server, without any queue of Lamina's."""
    rabbit_server.forget("lamina.submit", "lamina.submit.dead", "lamina.index")
    return rabbit_server


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened
