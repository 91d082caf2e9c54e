"""The broker: reached, safe, and closed to strangers."""

from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import redis

from shared.cli.broker_server import open_broker
from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.errors import BrokerUnavailable
from shared.queue import check_queues
from shared.settings import Settings

_SECONDS = 3.0
_REDIS = ("redis://", "rediss://", "unix://")
_PLAIN = "Lamina indexes on without it, but hears no bells and takes no messages."


def check_broker(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Look at the broker.

    Args:
        settings: of this installation.
        running: whether Lamina runs here: without it nothing starts the embedded broker.
    """
    if settings.embedded_broker and not running:
        yield ok("broker", "embedded: it starts and ends with Lamina")
        return
    url = open_broker(settings).url if settings.embedded_broker else settings.broker_url
    if url.startswith(_REDIS):
        yield from _redis(url)
    else:
        yield from _rabbitmq(url, settings.broker.queue)


def _redis(url: str) -> Iterator[Finding]:
    where = _without_password(url)
    try:
        with redis.Redis.from_url(
            url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, decode_responses=True
        ) as client:
            client.ping()
            yield ok("broker", where)
            yield from _persistence(client)
    except redis.RedisError as error:
        advice = f"Start it, or look at LAMINA_BROKER_URL. {_PLAIN}"
        yield wrong("broker", f"{where} does not answer: {str(error).rstrip('.')}.", advice)
        return
    yield from _strangers(url)


def _persistence(client: "redis.Redis") -> Iterator[Finding]:
    try:
        found = cast(
            "dict[str, str]",
            client.config_get("appendonly", "appendfsync", "maxmemory-policy", "maxmemory"),
        )
    except redis.ResponseError as error:
        yield warning(
            "broker",
            f"Its settings cannot be read ({error}).",
            "See to it yourself that it writes each push to disk and evicts nothing.",
        )
        return
    yield from _judge(found)


def _judge(settings: Mapping[str, str]) -> Iterator[Finding]:
    if settings.get("appendonly") != "yes":
        yield wrong(
            "broker",
            "It keeps messages in memory alone: a restart loses what no intake has taken.",
            "Set `appendonly yes` and `appendfsync always` in its configuration.",
        )
    elif settings.get("appendfsync") != "always":
        yield warning(
            "broker",
            f"appendfsync is {settings.get('appendfsync')}: a power cut can lose a second of "
            "messages that were accepted from producers.",
            "Set `appendfsync always` in its configuration.",
        )
    else:
        yield ok("broker", "every push is on disk before it is answered")
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction" and settings.get("maxmemory", "0") != "0":
        yield wrong(
            "broker",
            f"maxmemory-policy is {policy}: when memory is short it throws messages away.",
            "Set `maxmemory-policy noeviction` in its configuration.",
        )


def _strangers(url: str) -> Iterator[Finding]:
    """Try to get in without a password."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    try:
        with redis.Redis.from_url(
            bare, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
        ) as client:
            client.ping()
    except redis.RedisError:
        yield ok("broker", "nobody gets in without a password")
    else:
        yield warning(
            "broker",
            "Whoever reaches it needs no password, and may push, read and delete anything.",
            "Set a password (`requirepass`, or accounts by ACL) and name it in LAMINA_BROKER_URL.",
        )


def _rabbitmq(url: str, queue: str) -> Iterator[Finding]:
    where = _without_password(url)
    try:
        waiting = check_queues(url, queue)
    except BrokerUnavailable as error:
        yield wrong(
            "broker",
            f"{where}: {error}",
            "Start it, or look at LAMINA_BROKER_URL; a queue that was declared otherwise must be "
            f"emptied and deleted, and Lamina makes it anew. {_PLAIN}",
        )
    else:
        yield ok("broker", f"{where}: queue {queue!r} as declared, {waiting:,} messages wait")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
