"""Where messages come from: what the intake asks of any broker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Refusal(NamedTuple):
    """Why a message is kept as a rejection without being opened."""

    reason: str
    """A short code."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """A message as the broker held it."""

    receipt: str
    """The same each time the message is read again; unique to it if nothing else names it."""
    raw: bytes
    again: bool
    """Whether it may have been read before, by an intake that may have committed it."""
    refusal: Refusal | None = None


class Source(Protocol):
    """A broker's queue. A message stays safe there until it is `done`.

    Every method but `close` may raise `BrokerUnavailable`; then `close` and `recover` come
    before the next `take`.
    """

    def take(self, limit: int, *, timeout_seconds: float) -> Sequence[RawMessage]:
        """Move up to *limit* messages, oldest first, to where only this intake reads.

        Waits up to *timeout_seconds* for the first one; empty if none came.
        """
        ...

    def done(self, messages: Sequence[RawMessage]) -> None:
        """Forget messages that the catalog now holds: all that the last `take` returned."""
        ...

    def recover(self) -> int:
        """Make `take` begin with what was taken and not done, also by intakes that died."""
        ...

    def close(self) -> None:
        """Let go of the broker and of what is not done; `take` may come again."""
        ...
