"""Fixtures of private brokers, for every folder of tests that needs one."""

from collections.abc import Iterator

import pytest
import redis

from tests.rabbit_server import RabbitServer, start_rabbit
from tests.redis_server import RedisServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of a module's own, which its tests may kill and start again."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """A connection to the Redis, which is empty."""
    with server.client() as connected:
        connected.flushall()
        yield connected


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
