"""The queue in Redis, read so that a crash at any point neither loses nor doubles a message.

Celery's own way (pop, then write down what was popped) loses messages when the worker is
killed in between. Here a script moves messages, in one atomic step, from the queue to a hash
that belongs to this intake, and gives each a receipt. The receipt goes into the catalog with
the message, so reading it again after a crash is recognised there, and two equal messages
that a producer meant are still two.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import BrokerUnavailable
from workers.intake.source import RawMessage

_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""Suffixes of the four lists by which Celery gives a Redis queue priorities, first one first."""
_BATCH_BYTES = 32 * 1024 * 1024
"""Messages are small or few: what is read at once stops after this."""
_REREAD = 8
"""Messages read again at once; few, since these may all be of the largest size."""
_ALIVE_SECONDS = 30
_TIMEOUT_SECONDS = 5.0

_TAKE = """
local taken, bytes = {}, 0
for list = 2, #KEYS do
  while #taken < 2 * tonumber(ARGV[2]) and bytes < tonumber(ARGV[3]) do
    local raw = redis.call('RPOP', KEYS[list])
    if not raw then break end
    local receipt = string.format('%s-%04d', ARGV[1], #taken / 2)
    redis.call('HSET', KEYS[1], receipt, raw)
    bytes = bytes + #raw
    taken[#taken + 1] = receipt
    taken[#taken + 1] = raw
  end
end
return taken
"""

_ADOPT = """
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local left = redis.call('HKEYS', KEYS[2])
for _, receipt in ipairs(left) do
  redis.call('HSET', KEYS[1], receipt, redis.call('HGET', KEYS[2], receipt))
end
redis.call('DEL', KEYS[2])
redis.call('SREM', KEYS[4], ARGV[1])
return #left
"""


class RedisSource:
    """A `Source` over redis-py. For one thread."""

    def __init__(self, url: str, queue: str, name: str) -> None:
        """Read *queue* as the intake called *name*.

        Two intakes of one name at once are harmless, but do work twice.
        """
        # No retries below us: a script that runs twice would overwrite what it took first.
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._queue = queue
        self._lists = [queue + suffix for suffix in _PRIORITIES]
        self._name = name
        self._names = f"{queue}:intakes"
        self._left: list[bytes] = []

    def take(self, limit: int, *, timeout_seconds: float) -> Sequence[RawMessage]:
        """Move up to *limit* messages, oldest first, to where only this intake reads.

        Raises:
            BrokerUnavailable: Redis is away; call `recover` before the next `take`.
        """
        with _broker_faults():
            self._say_alive()
            if self._left:
                return self._reread()
            if taken := self._move(limit):
                return taken
            # Moves the oldest message to where it is: waits for one, and takes nothing.
            seconds = cast("int", timeout_seconds)  # redis-py's types do not know fractions
            self._redis.blmove(self._queue, self._queue, seconds, "RIGHT", "RIGHT")
            return self._move(limit)

    def done(self, messages: Sequence[RawMessage]) -> None:
        """Forget messages that the catalog now holds.

        Raises:
            BrokerUnavailable: Redis is away; they will be read again.
        """
        if messages:
            with _broker_faults():
                self._redis.hdel(self._processing(self._name), *(one.receipt for one in messages))

    def recover(self) -> int:
        """Make `take` begin with what was taken and not done, also by intakes that died.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        with _broker_faults():
            self._say_alive()
            for raw in cast("set[bytes]", self._redis.smembers(self._names)):
                if (name := raw.decode()) != self._name:
                    self._adopt(name)
            own = self._redis.hkeys(self._processing(self._name))
            self._left = sorted(cast("list[bytes]", own))
            return len(self._left)

    def close(self) -> None:
        """Close the connection; the next command opens it again."""
        self._redis.close()

    def _move(self, limit: int) -> Sequence[RawMessage]:
        # The time first: receipts in rising order are messages in the order they came.
        batch = f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}"
        keys = [self._processing(self._name), *self._lists]
        arguments = [batch, str(limit), str(_BATCH_BYTES)]
        flat = cast("list[bytes]", self._redis.eval(_TAKE, len(keys), *keys, *arguments))
        return [
            RawMessage(receipt=receipt.decode(), raw=raw, again=False)
            for receipt, raw in zip(flat[::2], flat[1::2], strict=True)
        ]

    def _reread(self) -> Sequence[RawMessage]:
        receipts, self._left = self._left[:_REREAD], self._left[_REREAD:]
        found = cast(
            "list[bytes | None]",
            self._redis.hmget(self._processing(self._name), [one.decode() for one in receipts]),
        )
        return [
            RawMessage(receipt=receipt.decode(), raw=raw, again=True)
            for receipt, raw in zip(receipts, found, strict=True)
            if raw is not None
        ]

    def _adopt(self, dead: str) -> None:
        keys = [
            self._processing(self._name),
            self._processing(dead),
            self._alive(dead),
            self._names,
        ]
        self._redis.eval(_ADOPT, len(keys), *keys, dead)

    def _say_alive(self) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(self._names, self._name)
            pipe.set(self._alive(self._name), "1", ex=_ALIVE_SECONDS)
            pipe.execute()

    def _processing(self, name: str) -> str:
        return f"{self._queue}:processing:{name}"

    def _alive(self, name: str) -> str:
        return f"{self._queue}:alive:{name}"


@contextmanager
def _broker_faults() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise BrokerUnavailable(f"The broker: {error}") from error
