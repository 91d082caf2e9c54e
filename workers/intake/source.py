"""Where messages come from: what the intake asks of any broker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """A message as the broker held it."""

    receipt: str
    """Unique to this delivery, and the same each time the message is read again."""
    raw: bytes
    again: bool
    """Whether it was read before, by an intake that may have committed it."""


class Source(Protocol):
    """A broker's queue. A message stays safe there until it is `done`.

    Every method may raise `BrokerUnavailable`; then `recover` comes before the next `take`.
    """

    def take(self, limit: int, *, timeout_seconds: float) -> Sequence[RawMessage]:
        """Move up to *limit* messages, oldest first, to where only this intake reads.

        Waits up to *timeout_seconds* for the first one; empty if none came.
        """
        ...

    def done(self, messages: Sequence[RawMessage]) -> None:
        """Forget messages that the catalog now holds."""
        ...

    def recover(self) -> int:
        """Make `take` begin with what was taken and not done, also by intakes that died."""
        ...
