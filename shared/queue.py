"""Ring for an index worker through the broker, by task name and off the caller's thread."""

import threading
from typing import cast

import structlog
from amqp.exceptions import MessageNacked
from celery import Celery
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport.virtual import Channel

from shared.errors import BrokerUnavailable

INDEX_TASK = "lamina.index"

_EXPIRES_SECONDS = 30
"""A bell that nobody heard in this time says nothing: workers look by themselves meanwhile."""
_ENOUGH = 16
"""Unheard bells in the queue that make another one useless; else they would pile up while no
worker is there."""
INDEX_QUEUE = Queue(
    "lamina.index",
    Exchange("lamina.index", "direct"),  # else Celery declares one called `celery`
    routing_key="lamina.index",
    # For RabbitMQ; Redis knows no arguments, and the bells count themselves there.
    queue_arguments={"x-message-ttl": _EXPIRES_SECONDS * 1000, "x-max-length": _ENOUGH},
)
"""Where bells wait; both who rings and who hears declare it."""

_PAUSE_SECONDS = 0.02
_OUTAGE_PAUSE_SECONDS = 1.0
_TIMEOUT_SECONDS = 3.0
_CLOSE_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class CeleryBell:
    """A `Bell` whose one thread starts at the first ring, so that it may be made before a fork.

    A burst of rings becomes one message every 20 ms. A broker that is away or stalled is
    logged once per outage and costs the caller nothing.
    """

    def __init__(self, broker_url: str) -> None:
        """Take the broker's address; with an empty one nobody is rung and workers poll."""
        self._url = broker_url
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._rung = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Wake an index worker, soon."""
        if not self._url or self._closing.is_set():
            return
        self._rung = True
        self._wake.set()
        # After a fork the parent's thread is not alive here.
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def close(self) -> None:
        """Send what was rung, if the broker answers at once, and end the thread."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=_CLOSE_SECONDS)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="bell", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        line = _Line(self._url)
        while not self._closing.is_set() or self._rung:
            self._wake.wait()
            self._wake.clear()
            if self._rung:
                self._rung = False
                sent = line.send()
                self._closing.wait(_PAUSE_SECONDS if sent else _OUTAGE_PAUSE_SECONDS)
        line.close()


class BrokerMessages:
    """The port `Messages`: asks the broker each time, over a connection of its own."""

    def __init__(self, broker_url: str, queue: str) -> None:
        """Look at *queue*, the one that other apps push to."""
        self._url = broker_url
        self._queue = queue

    def waiting(self) -> int:
        """Return how many messages no intake has taken yet.

        Raises:
            BrokerUnavailable: the broker is away, or there is no such queue yet.
        """
        if not self._url:
            raise BrokerUnavailable("This process was not told of a broker (LAMINA_BROKER_URL).")
        connection = Connection(
            self._url,
            connect_timeout=_TIMEOUT_SECONDS,
            transport_options={
                "socket_timeout": _TIMEOUT_SECONDS,
                "socket_connect_timeout": _TIMEOUT_SECONDS,
                "max_retries": 0,
            },
        )
        faults: tuple[type[BaseException], ...] = (
            OperationalError,
            OSError,
            *connection.connection_errors,
        )
        try:
            return self._count(connection)
        except faults as error:
            raise BrokerUnavailable(f"The broker: {error}") from error
        finally:
            connection.collect(socket_timeout=0.1)

    def _count(self, connection: Connection) -> int:
        channel = cast("Channel", connection.default_channel)
        is_amqp = connection.transport.driver_type == "amqp"
        if is_amqp:
            connection.connection.transport.sock.settimeout(_TIMEOUT_SECONDS)
        absent: tuple[type[BaseException], ...] = connection.channel_errors
        try:
            return int(channel.queue_declare(queue=self._queue, passive=True).message_count)
        except absent as error:
            if not is_amqp:
                return 0  # Redis has no queue that is empty
            raise BrokerUnavailable(f"RabbitMQ, queue {self._queue!r}: {error}") from error


def check_queues(broker_url: str, queue: str) -> int:
    """Compare RabbitMQ's queues with what they must be; return how many messages wait.

    Raises:
        BrokerUnavailable: it is away, a queue was declared otherwise, or *queue* is not there.
    """
    line = _Line(broker_url)
    try:
        line.declare()
    finally:
        line.close()
    return BrokerMessages(broker_url, queue).waiting()


class _Line:
    """The connection of one thread."""

    def __init__(self, url: str) -> None:
        self._app = Celery("lamina", broker=url, set_as_current=False)
        self._app.conf.update(
            task_queues=[INDEX_QUEUE],
            task_serializer="json",
            task_ignore_result=True,
            broker_connection_timeout=_TIMEOUT_SECONDS,
            broker_transport_options={
                "socket_timeout": _TIMEOUT_SECONDS,
                "socket_connect_timeout": _TIMEOUT_SECONDS,
                # Without it kombu tries to connect for ever.
                "max_retries": 0,
                # Else RabbitMQ may drop a bell, or block, and nobody here would know.
                "confirm_publish": True,
            },
        )
        self._connection: Connection | None = None
        self._out = False

    def declare(self) -> None:
        """Declare the queue of bells.

        Raises:
            BrokerUnavailable: the broker is away, or the queue was declared otherwise.
        """
        connection = self._connect()
        try:
            self._unheard(connection)
        except _faults(connection) as error:
            raise BrokerUnavailable(f"queue {INDEX_QUEUE.name!r}: {error}") from error

    def send(self) -> bool:
        """Send one bell unless enough are waiting; False if the broker is away."""
        connection = self._connect()
        try:
            if self._unheard(connection) < _ENOUGH:
                self._app.send_task(
                    INDEX_TASK,
                    queue=INDEX_QUEUE.name,
                    declare=(),  # it was, to count
                    delivery_mode="transient",
                    expires=_EXPIRES_SECONDS,
                    ignore_result=True,
                    retry=False,
                    producer=self._app.amqp.Producer(connection),
                )
        except _faults(connection) as error:
            if not self._out:
                _log.warning("bell_unheard", error=str(error))
            self._out = True
            self.close()
            return False
        if self._out:
            _log.info("bell_back")
        self._out = False
        return True

    def close(self) -> None:
        if self._connection is not None:
            # A connection to a stalled broker must not be closed politely.
            self._connection.collect(socket_timeout=0.1)
            self._connection = None

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._app.connection_for_write()
        return self._connection

    @staticmethod
    def _unheard(connection: Connection) -> int:
        channel = cast("Channel", connection.default_channel)
        if connection.transport.driver_type == "amqp":
            # py-amqp waits for replies and confirmations for ever.
            connection.connection.transport.sock.settimeout(_TIMEOUT_SECONDS)
        declared = channel.queue_declare(
            queue=INDEX_QUEUE.name,
            durable=True,
            auto_delete=False,
            arguments=INDEX_QUEUE.queue_arguments,
        )
        return int(declared.message_count)


def _faults(connection: Connection) -> tuple[type[BaseException], ...]:
    """Return what a broker that is away, or refuses, raises."""
    return (
        OperationalError,
        MessageNacked,
        OSError,
        *connection.connection_errors,
        *connection.channel_errors,
    )
