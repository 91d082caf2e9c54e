"""Send receipts to the producers that wait for them: at least once, and never in the way.

Replies go out after the commit and before the message is forgotten, so that a crash in between
repeats them. What cannot be sent is given up with a line in the log, since the receipt is in the
catalog: neither documents nor other messages wait for a reply.
"""

import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from shared.errors import BrokerUnavailable
from shared.replies import Reply

_SILENT_SECONDS = 30.0
"""How long nothing is sent after a failure: a stalled broker would cost each batch a timeout."""

_log = structlog.get_logger(__name__)


class Outlet(Protocol):
    """Where replies go, over a connection of its own."""

    def push(self, replies: Sequence[Reply]) -> None:
        """Push *replies*; those for whom nobody can wait are dropped.

        Raises:
            BrokerUnavailable: some or all were not sent, maybe none ever will be.
        """
        ...

    def close(self) -> None:
        """Let go of the broker; `push` may come again."""
        ...


class Replies:
    """Replies of one intake. For one thread."""

    def __init__(self, outlet: Outlet, *, silent_seconds: float = _SILENT_SECONDS) -> None:
        """Send by way of *outlet*; nothing for *silent_seconds* after it failed."""
        self._outlet = outlet
        self._silent_seconds = silent_seconds
        self._silent_until = 0.0

    def send(self, replies: Sequence[Reply]) -> None:
        """Send *replies*, or give them up."""
        if not replies:
            return
        if time.monotonic() < self._silent_until:
            _log.warning("replies_given_up", replies=len(replies), error="as before")
            return
        try:
            self._outlet.push(replies)
        except BrokerUnavailable as error:
            self._outlet.close()
            self._silent_until = time.monotonic() + self._silent_seconds
            _log.warning("replies_given_up", replies=len(replies), error=str(error))

    def close(self) -> None:
        """Let go of the broker."""
        self._outlet.close()
