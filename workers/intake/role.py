"""Run the intake: a plain loop, never ended by a message, a broker or a catalog that is away."""

import time

import structlog

from shared.errors import ConfigurationError, OutOfSpace, Overloaded, Retryable
from shared.services import Services, message_limits, open_services
from shared.settings import Settings
from workers import process
from workers.intake.amqp_outlet import AmqpOutlet
from workers.intake.amqp_source import AmqpQueue, AmqpSource
from workers.intake.delivery import Delivery
from workers.intake.redis_outlet import RedisOutlet
from workers.intake.redis_source import RedisSource
from workers.intake.replying import Outlet, Replies
from workers.intake.source import Source
from workers.pulse import Pulse
from workers.waiting import wait_for_catalog

_REDIS = frozenset({"redis", "rediss", "unix"})
_RABBITMQ = frozenset({"amqp", "amqps"})
_BATCH = 200
_WAIT_SECONDS = 0.5
_ADOPT_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


def run(settings: Settings, name: str) -> int:
    """Take messages until `process.stopping`; return the exit code."""
    source = open_source(settings, name)
    services = open_services(settings)
    wait_for_catalog(services)
    process.working(settings.stop_seconds)
    pulse = Pulse(services, "intake")
    pulse.start()
    _log.info("ready", queue=settings.broker.queue, name=name)
    replies = Replies(open_outlet(settings))
    _run(make_delivery(services, source, replies), pulse)
    replies.close()
    source.close()
    pulse.close()
    services.close()
    return 0


def open_source(settings: Settings, name: str) -> Source:
    """Return the queue at the broker's address; it connects when it is first read.

    Raises:
        ConfigurationError: the address is missing, or of a broker that Lamina does not know.
    """
    url, queue = settings.broker_url, settings.broker.queue
    scheme = url.partition("://")[0]
    if scheme in _REDIS:
        return RedisSource(url, queue, name)
    if scheme in _RABBITMQ:
        part = AmqpQueue(
            name=queue,
            prefetch=settings.broker.prefetch,
            deliveries=settings.broker.deliveries,
            message_bytes=settings.limits.message_bytes,
        )
        return AmqpSource(url, part, settings.data_dir / "receipts")
    detail = (
        "The intake needs LAMINA_BROKER_URL, the address of a Redis server (redis://…) or of "
        "RabbitMQ (amqp://…)."
    )
    raise ConfigurationError(detail)


def open_outlet(settings: Settings) -> Outlet:
    """Return where replies go: the broker that `open_source` reads; it connects when it must."""
    broker = settings.broker
    if settings.broker_url.partition("://")[0] in _RABBITMQ:
        return AmqpOutlet(settings.broker_url, seconds=broker.reply_seconds)
    return RedisOutlet(settings.broker_url, most=broker.replies, seconds=broker.reply_seconds)


def make_delivery(services: Services, source: Source, replies: Replies) -> Delivery:
    """Return the delivery from *source* to this process's catalog."""
    return Delivery(
        source=source,
        inbox=services.inbox,
        bell=services.bell,
        room=services.room,
        backlog=services.backlog,
        replies=replies,
        limits=message_limits(services.settings),
        queue=f"queue:{services.settings.broker.queue}",
        tally=services.tally,
    )


def _run(delivery: Delivery, pulse: Pulse) -> None:
    pause = recover_at = 0.0
    while not process.stopping.is_set():
        try:
            if time.monotonic() >= recover_at:
                if left := delivery.recover():
                    _log.info("reading_again", messages=left)
                recover_at = time.monotonic() + _ADOPT_SECONDS
            delivery.deliver(_BATCH, timeout_seconds=_WAIT_SECONDS)
        except (Retryable, OutOfSpace, Overloaded) as error:
            if not pause:
                _log.warning("intake_delayed", error=str(error))
            pulse.trouble("work", f"{error.title}: {error.detail}")
            delivery.source.close()  # what waits here is given back: others may have room
            recover_at = 0.0  # what was taken and not committed is read again
            pause = min(2 * pause or 0.1, _LONGEST_PAUSE_SECONDS)
            process.stopping.wait(pause)
            continue
        if pause:
            _log.info("intake_goes_on")
        pulse.trouble("work", None)
        pause = 0.0
