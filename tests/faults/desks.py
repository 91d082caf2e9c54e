"""Another app and the intake of its messages, on either broker."""

import json
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Protocol, cast

from shared.domain import Json
from shared.errors import BrokerUnavailable
from shared.ports import Inbox
from tests.faults.accounts import documents_of
from tests.integration.test_amqp_intake import Desk as AmqpDesk
from tests.integration.test_amqp_intake import Producer
from tests.integration.test_intake import QUEUE
from tests.integration.test_intake import Desk as RedisDesk
from workers.intake.amqp_source import AmqpSource
from workers.intake.redis_source import RedisSource

_START_SECONDS = 60.0


class Post(Protocol):
    """A producer who pushes, and an intake in this process."""

    def push(self, *raws: bytes) -> None:
        """Send messages as an app does."""
        ...

    @property
    def address(self) -> tuple[str, int]:
        """Where the broker listens."""
        ...

    def go_through(self, port: int) -> None:
        """Let the intake reach the broker by another port, from now on."""
        ...

    def take(self, inbox: Inbox | None = None) -> int:
        """Let the intake take what waits, once; into *inbox* rather than the world's."""
        ...

    def take_all(self, at_least: int = 0) -> int:
        """Let it begin anew, as after a fault, and take all there is."""
        ...

    def kill_broker(self) -> None:
        """SIGKILL the broker."""
        ...

    def start_broker(self) -> None:
        """Start it again on what it had written down."""
        ...

    def left(self) -> int:
        """Return how many messages the broker still holds."""
        ...

    def queues(self) -> AbstractSet[str]:
        """Return the names of the broker's queues."""
        ...

    def close(self) -> None:
        """Let go of the broker."""
        ...


@dataclass
class RedisPost:
    """Over Redis."""

    desk: RedisDesk

    def push(self, *raws: bytes) -> None:
        with self.desk.server.client() as client:
            client.lpush(QUEUE, *raws)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.desk.server.port

    def go_through(self, port: int) -> None:
        self.desk.source.close()
        self.desk.source = RedisSource(f"redis://127.0.0.1:{port}/0", QUEUE, self.desk.name)

    def take(self, inbox: Inbox | None = None) -> int:
        delivery = self.desk.delivery
        delivery = replace(delivery, inbox=inbox) if inbox else delivery
        return delivery.deliver(200, timeout_seconds=0.5)

    def take_all(self, at_least: int = 0) -> int:
        self.desk.source.close()
        taken = self.desk.take_all()
        assert taken >= at_least, f"only {taken} of {at_least} came"
        return taken

    def kill_broker(self) -> None:
        self.desk.server.kill()

    def start_broker(self) -> None:
        self.desk.server.start()

    def left(self) -> int:
        with self.desk.server.client() as client:
            waiting = cast("int", client.llen(QUEUE))
            return waiting + cast("int", client.hlen(f"{QUEUE}:processing:{self.desk.name}"))

    def queues(self) -> AbstractSet[str]:
        with self.desk.server.client() as client:
            names = cast("list[bytes]", client.keys("*"))
            return {one.decode() for one in names if client.type(one) == b"list"}

    def close(self) -> None:
        self.desk.source.close()
        self.desk.replies.close()


@dataclass
class AmqpPost:
    """Over RabbitMQ."""

    desk: AmqpDesk

    def push(self, *raws: bytes) -> None:
        with self.desk.server.connect() as connection:
            Producer(connection.channel()).push(*raws)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.desk.server.port

    def go_through(self, port: int) -> None:
        server, old = self.desk.server, self.desk.source
        old.close()
        url = server.lamina_url.replace(f":{server.port}/", f":{port}/")
        self.desk.source = AmqpSource(url, old._queue, self.desk.world.folder / "receipts")

    def take(self, inbox: Inbox | None = None) -> int:
        delivery = self.desk.delivery
        delivery = replace(delivery, inbox=inbox) if inbox else delivery
        return delivery.deliver(200, timeout_seconds=2)

    def take_all(self, at_least: int = 0) -> int:
        self.desk.source.close()
        return self.desk.take_all(at_least)

    def kill_broker(self) -> None:
        self.desk.server.kill()

    def start_broker(self) -> None:
        self.desk.server.start()
        end = time.monotonic() + _START_SECONDS
        while not self._can_consume():
            assert time.monotonic() < end, "the queue did not come back"

    def _can_consume(self) -> bool:
        """Whether the queue has a leader again, some time after its server answers."""
        self.desk.source.close()
        try:
            self.desk.source.take(0, timeout_seconds=0)
        except BrokerUnavailable:
            return False
        return True

    def left(self) -> int:
        return self.desk.server.waiting(QUEUE)

    def queues(self) -> AbstractSet[str]:
        return set(self.desk.server.control("list_queues", "name", "--no-table-headers").split())

    def close(self) -> None:
        self.desk.source.close()
        self.desk.replies.close()


def push(*, key: str | None = None, **texts: str) -> bytes:
    """Return a plain message with documents, each with its text."""
    message: Mapping[str, Json] = {"collection": "c", "documents": documents_of(texts)}
    return json.dumps({**message, **({"key": key} if key else {})}).encode()
