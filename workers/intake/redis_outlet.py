"""Replies as elements of lists in Redis, the newest of which are kept for a while."""

from collections.abc import Sequence

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import BrokerUnavailable
from shared.replies import Reply

_TIMEOUT_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class RedisOutlet:
    """An `Outlet` over redis-py."""

    def __init__(self, url: str, *, most: int, seconds: int) -> None:
        """Keep the newest *most* replies of a list, until *seconds* after the last."""
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._most = most
        self._seconds = seconds

    def push(self, replies: Sequence[Reply]) -> None:
        """Push each to its list; a key that is none keeps nobody else from theirs.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        try:
            # One transaction: no list is ever left without an end.
            with self._redis.pipeline(transaction=True) as pipe:
                for one in replies:
                    pipe.lpush(one.to, one.body)
                    pipe.ltrim(one.to, 0, self._most - 1)
                    pipe.expire(one.to, self._seconds)
                answers = pipe.execute(raise_on_error=False)
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable(f"The broker: {error}") from error
        for one, answer in zip(replies, answers[::3], strict=True):
            if isinstance(answer, redis.RedisError):
                _log.warning("reply_refused", to=one.to, error=str(answer))

    def close(self) -> None:
        """Close the connection; the next command opens it again."""
        self._redis.close()
