"""What a Lamina stands on: its own SQLite and broker, or servers of the test's own.

    with open_backend("postgresql-redis", folder) as backend:
        with RunningLamina(folder / "var", backend.environment) as lamina: ...

Each server can be killed and started again; ports, folders and data outlive that.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import amqp
import redis
from kombu import Connection

from tests.postgres import Postgres, running_postgres
from tests.rabbit_server import RabbitServer, start_rabbit
from tests.redis_server import RedisServer
from tests.running import RunningLamina

QUEUE = "lamina.submit"
BACKENDS = ("embedded", "postgresql-redis", "postgresql-rabbitmq")
_PUSH_SECONDS = 5.0


class PushFailed(Exception):
    """The broker is away: whether the message is in the queue is not known."""


class Backend(Protocol):
    """The servers beside Lamina's own processes."""

    @property
    def name(self) -> str:
        """One of `BACKENDS`."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings that make a Lamina use them."""
        ...

    @property
    def postgres(self) -> Postgres | None:
        """The database server, or None for SQLite."""
        ...

    @property
    def can_flush(self) -> bool:
        """Whether the broker can be emptied by one command."""
        ...

    def broker_url(self, lamina: RunningLamina) -> str:
        """Return where other apps push, with an account that may do that."""
        ...

    def send_options(self) -> Mapping[str, Any]:
        """Return what README tells a Celery producer to give `send_task`."""
        ...

    def push(self, lamina: RunningLamina, body: bytes) -> None:
        """Push a message as an app does.

        Raises:
            PushFailed: the broker is away.
        """
        ...

    def kill_broker(self, lamina: RunningLamina) -> None:
        """End the broker with SIGKILL."""
        ...

    def start_broker(self, lamina: RunningLamina) -> None:
        """See to it that the broker runs again; return when it answers."""
        ...

    def flush(self, lamina: RunningLamina) -> None:
        """Empty the broker."""
        ...


class _Redis:
    """What is the same for both Redis brokers: how apps push, and how to empty it."""

    can_flush = True

    def broker_url(self, lamina: RunningLamina) -> str:
        return lamina.broker_url

    def send_options(self) -> Mapping[str, Any]:
        return {"queue": QUEUE}

    def push(self, lamina: RunningLamina, body: bytes) -> None:
        try:
            with redis.Redis.from_url(
                self.broker_url(lamina), socket_timeout=_PUSH_SECONDS
            ) as client:
                client.lpush(QUEUE, body)
        except redis.RedisError as error:
            raise PushFailed(str(error)) from error


class Embedded(_Redis):
    """What `lamina up` brings itself."""

    name = "embedded"
    postgres = None

    def __init__(self) -> None:
        self.environment: Mapping[str, str] = {}
        self._url = ""

    def broker_url(self, lamina: RunningLamina) -> str:
        # By a command, which takes a second; the address never changes.
        self._url = self._url or lamina.broker_url
        return self._url

    def kill_broker(self, lamina: RunningLamina) -> None:
        lamina.kill("broker")

    def start_broker(self, lamina: RunningLamina) -> None:
        """Wait until the supervisor has started it."""
        deadline = time.monotonic() + 30
        with self._owner(lamina) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    assert time.monotonic() < deadline, "the broker was not started again"
                    time.sleep(0.05)
                else:
                    return

    def flush(self, lamina: RunningLamina) -> None:
        with self._owner(lamina) as client:
            client.flushall()

    @staticmethod
    def _owner(lamina: RunningLamina) -> redis.Redis:
        passwords = json.loads((lamina.data_dir / "broker" / "passwords.json").read_text("utf-8"))
        return redis.Redis(
            port=int(lamina.environment["LAMINA_BROKER_PORT"]),
            username="lamina",
            password=passwords["lamina"],
            socket_timeout=_PUSH_SECONDS,
        )


class PostgresRedis(_Redis):
    """PostgreSQL, and a Redis with AOF."""

    name = "postgresql-redis"

    def __init__(self, postgres: Postgres, server: RedisServer) -> None:
        self.postgres = postgres
        self._server = server
        self.environment: Mapping[str, str] = {
            "LAMINA_DATABASE_URL": postgres.new_database(),
            "LAMINA_BROKER_URL": server.url,
        }

    def broker_url(self, lamina: RunningLamina) -> str:
        return self._server.url

    def kill_broker(self, lamina: RunningLamina) -> None:
        self._server.kill()

    def start_broker(self, lamina: RunningLamina) -> None:
        self._server.start()

    def flush(self, lamina: RunningLamina) -> None:
        with self._server.client() as client:
            client.flushall()


class PostgresRabbit:
    """PostgreSQL, and RabbitMQ with README's accounts and quorum queue."""

    name = "postgresql-rabbitmq"
    can_flush = False

    def __init__(self, postgres: Postgres, server: RabbitServer) -> None:
        self.postgres = postgres
        self._server = server
        self.environment: Mapping[str, str] = {
            "LAMINA_DATABASE_URL": postgres.new_database(),
            "LAMINA_BROKER_URL": server.lamina_url,
        }

    def broker_url(self, lamina: RunningLamina) -> str:
        return self._server.producer_url

    def send_options(self) -> Mapping[str, Any]:
        return {"exchange": QUEUE, "routing_key": QUEUE, "declare": ()}

    def push(self, lamina: RunningLamina, body: bytes) -> None:
        """Publish with a confirm, as an app should."""
        with Connection(self._server.producer_url, connect_timeout=_PUSH_SECONDS) as connection:
            faults = (*connection.connection_errors, *connection.channel_errors)
            try:
                channel: Any = connection.channel()
                channel.basic_publish_confirm(
                    amqp.Message(body), exchange=QUEUE, routing_key=QUEUE, timeout=_PUSH_SECONDS
                )
            except faults as error:
                raise PushFailed(str(error)) from error

    def kill_broker(self, lamina: RunningLamina) -> None:
        self._server.kill()

    def start_broker(self, lamina: RunningLamina) -> None:
        self._server.start()

    def flush(self, lamina: RunningLamina) -> None:
        raise NotImplementedError("RabbitMQ has no command that empties everything")


@contextmanager
def open_backend(name: str, folder: Path) -> Iterator[Backend]:
    """Start the servers of the backend called *name*, with their data in *folder*.

    Raises:
        KeyError: there is no backend of this name.
    """
    with ExitStack() as stack:
        if name == "embedded":
            yield Embedded()
            return
        postgres = stack.enter_context(running_postgres())
        home = folder / "broker"
        home.mkdir(parents=True)
        if name == "postgresql-redis":
            yield PostgresRedis(postgres, stack.enter_context(RedisServer(home)))
        elif name == "postgresql-rabbitmq":
            rabbit = start_rabbit(home)
            stack.callback(rabbit.stop)
            yield PostgresRabbit(postgres, rabbit)
        else:
            raise KeyError(name)
