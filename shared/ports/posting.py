"""How webhooks are called."""

from collections.abc import Mapping
from typing import Protocol

from shared.domain import Sent


class Poster(Protocol):
    """Sends a body to an address."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """POST *body*, once: no redirect is followed, nothing is tried again.

        Never raises for what the network or the receiver does; that is what it returns.
        """
        ...
