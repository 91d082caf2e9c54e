"""End an index worker that has grown too large: whoever supervises starts a fresh one."""

import time
from collections.abc import Callable

import structlog

from shared.footprint import resident_bytes

_log = structlog.get_logger(__name__)


class Recycling:
    """Decides when this process makes room for a fresh one."""

    def __init__(
        self,
        limit_bytes: int,
        least_seconds: float,
        *,
        size: Callable[[], int] = resident_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin the life of the process.

        Args:
            limit_bytes: how large it may be; 0 for any size.
            least_seconds: how long it lives however large it is.
            size: returns how large it is, bytes.
            clock: seconds that only rise.
        """
        self._limit = limit_bytes
        self._least = least_seconds
        self._size = size
        self._clock = clock
        self._born = clock()
        self._said = False

    def due(self) -> bool:
        """Whether to end; says once if it is too large already for that to help."""
        if not self._limit or (size := self._size()) <= self._limit:
            return False
        if self._clock() - self._born >= self._least:
            _log.info("recycling", bytes=size, limit=self._limit)
            return True
        if not self._said:
            self._said = True
            _log.warning(
                "memory_limit_too_low",
                bytes=size,
                limit=self._limit,
                advice="a fresh process is as large; raise LAMINA_ENCODING_MEMORY_BYTES",
            )
        return False
