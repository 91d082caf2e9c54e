"""How often one key may ask, and how many wrong keys one address may try.

Counted on the broker's Redis where there is one, so that all web processes count together; in this
process's memory while it is away, or where the broker is RabbitMQ. A window slides, so that no
border lets twice as much through (the library `limits`, sliding window counter).
"""

import hashlib
import math
import threading
import time
from typing import cast

import limits
import redis
import structlog
from flask import Flask, Response, current_app, g, request
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import RateLimited
from shared.settings import Settings

log = structlog.get_logger(__name__)

_REDIS = ("redis://", "rediss://", "unix://")
_PATIENCE_SECONDS = 0.25
"""How long a counter may take to answer, before memory serves instead."""
_AWAY_SECONDS = 10.0
"""How long memory serves, before the counter is asked again."""
_MINUTE = 60


class Rates:
    """Counts what keys and addresses do. Safe for several threads."""

    def __init__(self, broker_url: str, *, per_second: float, burst: int, failures: int) -> None:
        """Connect to nothing yet.

        Args:
            broker_url: address of the broker.
            per_second: requests that one key may make on average; 0 for no limit.
            burst: over how many seconds that average is taken.
            failures: wrong keys that one address may try a minute; 0 for no limit.
        """
        amount = max(1, math.ceil(per_second * burst))
        self._requests = limits.RateLimitItemPerSecond(amount, burst) if per_second else None
        self._failures = limits.RateLimitItemPerSecond(failures, _MINUTE) if failures else None
        self._memory = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _limiter(broker_url)
        self._away_until = -math.inf
        self._lock = threading.Lock()

    def check(self, who: str) -> dict[str, str]:
        """Count a request of *who*; return the headers that tell where they stand.

        Header fields as in draft-ietf-httpapi-ratelimit-headers-10.

        Raises:
            RateLimited: it is one too many.
        """
        if self._requests is None:
            return {}
        let_in = self._ask("hit", self._requests, who)
        stats = self._memory if self._is_away else self._shared or self._memory
        left, reset = self._standing(stats, self._requests, who)
        headers = {
            "RateLimit-Policy": f'"key";q={self._requests.amount};w={self._requests.get_expiry()}',
            "RateLimit": f'"key";r={left};t={reset}',
        }
        if not let_in:
            g.rate_headers = headers
            raise RateLimited(
                f"The key may make {self._requests.amount} requests in "
                f"{self._requests.get_expiry()} seconds.",
                retry_after_seconds=reset,
            )
        return headers

    def check_failures(self, address: str) -> None:
        """Refuse an address that tried too many wrong keys.

        Raises:
            RateLimited: it did.
        """
        if self._failures and not self._ask("test", self._failures, address):
            raise RateLimited(
                "Too many wrong keys came from this address; wait a minute.",
                retry_after_seconds=_MINUTE,
            )

    def count_failure(self, address: str) -> None:
        """Count a wrong key against an address."""
        if self._failures:
            self._ask("hit", self._failures, address)

    @property
    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _ask(self, what: str, item: limits.RateLimitItem, who: str) -> bool:
        """Call *what* of the shared counter, or of memory while that is away."""
        name = hashlib.sha256(who.encode("utf-8", "replace")).hexdigest()[:32]
        if self._shared and not self._is_away:
            try:
                return bool(getattr(self._shared, what)(item, name))
            except redis.RedisError as error:
                with self._lock:
                    self._away_until = time.monotonic() + _AWAY_SECONDS
                log.warning("rates.in_memory", error=str(error))
        return bool(getattr(self._memory, what)(item, name))

    def _standing(
        self, limiter: SlidingWindowCounterRateLimiter, item: limits.RateLimitItem, who: str
    ) -> tuple[int, int]:
        """Return how many requests are left, and in how many seconds there are more."""
        name = hashlib.sha256(who.encode("utf-8", "replace")).hexdigest()[:32]
        try:
            stats = limiter.get_window_stats(item, name)
        except redis.RedisError:
            stats = self._memory.get_window_stats(item, name)
        return stats.remaining, max(1, math.ceil(stats.reset_time - time.time()))


def register(app: Flask, settings: Settings) -> None:
    """Count requests by key. After it is known who asks."""
    access = settings.access
    app.extensions["rates"] = Rates(
        settings.broker_url,
        per_second=access.requests_per_second,
        burst=access.burst_seconds,
        failures=access.failed_sign_ins,
    )
    app.before_request(_check)
    app.after_request(_tell)


def check_sign_ins() -> None:
    """Refuse an address that tried too many wrong keys.

    Raises:
        RateLimited: it did.
    """
    _rates().check_failures(request.remote_addr or "")


def count_failed_sign_in() -> None:
    """Count a wrong key against the address it came from."""
    _rates().count_failure(request.remote_addr or "")


def _check() -> None:
    """Count a request that came with a key.

    Raises:
        RateLimited: it is one too many.
    """
    if g.caller is not None:
        g.rate_headers = _rates().check(g.caller.key_id or g.caller.name)


def _tell(response: Response) -> Response:
    for name, value in g.get("rate_headers", {}).items():
        response.headers[name] = value
    return response


def _rates() -> Rates:
    return cast("Rates", current_app.extensions["rates"])


def _limiter(broker_url: str) -> SlidingWindowCounterRateLimiter | None:
    if not broker_url.startswith(_REDIS):
        return None
    pool = redis.ConnectionPool.from_url(
        broker_url,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),  # memory serves meanwhile, so nobody needs to wait
    )
    storage = RedisStorage(broker_url, connection_pool=pool, key_prefix="lamina.rates")
    return SlidingWindowCounterRateLimiter(storage)
