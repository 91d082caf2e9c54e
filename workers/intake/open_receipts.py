"""Receipts of messages that nothing names, open until the broker is known to have forgotten them.

AMQP gives a message no name of its own. Read again after a crash, it is marked *redelivered*, and
that is all: whether the catalog holds it, or holds only an earlier message of the same words,
cannot be told from the message. So each such message is given a receipt before it is committed,
written down by the digest of its content in a folder that all intakes share, and the receipt is
crossed out once the broker has handled its acknowledgement. Then

- a message delivered for the first time gets a new receipt: two equal pushes are two;
- a redelivered one gets the open receipt of its digest, if there is one, and the catalog knows
  by it whether it was committed;
- a redelivered one without an open receipt was never committed, or the catalog would hold it and
  the receipt were open still: it gets a new one, and is not taken for an earlier equal one.

What remains: if the broker itself is killed within the moment between its reply and its disk, a
message may be taken twice; and if an intake dies between acknowledgement and crossing out, its
receipt stays open, and could be given to an equal message that is redelivered too, without its
own having been written. Both need equal messages without key and id, and a crash within
milliseconds. Producers who must not meet this name their messages.
"""

import os
import time
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path

from shared.errors import IndexUnavailable

_KEPT_SECONDS = 7 * 24 * 3600.0
"""An open receipt this old belongs to a message that is gone: no crash lasts so long."""


class OpenReceipts:
    """A folder of empty files, one a receipt; its name is all there is to it."""

    def __init__(self, folder: Path) -> None:
        """Keep them in *folder*, which is made when it is needed."""
        self._folder = folder

    def find(self, digest: str, *, besides: Collection[str]) -> str | None:
        """Return an open receipt of *digest* that is none of *besides*, the oldest; or None."""
        found = [one for one in self._folder.glob(f"{digest}-*") if one.name not in besides]
        return min((one.name for one in found), default=None)

    def open(self, digests: Iterable[str]) -> list[str]:
        """Write down a new receipt for each of *digests*; they are on disk when this returns.

        Raises:
            IndexUnavailable: the folder cannot be written to.
        """
        # The time first: of several of one digest the oldest is found first.
        receipts = [f"{one}-{time.time_ns():020d}-{uuid.uuid4().hex[:12]}" for one in digests]
        if not receipts:
            return receipts
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for receipt in receipts:
                (self._folder / receipt).touch(exist_ok=False)
            self._sync()
        except OSError as error:
            raise IndexUnavailable(f"Receipts cannot be written down: {error}") from error
        return receipts

    def close(self, receipts: Iterable[str]) -> None:
        """Cross out what the broker has forgotten.

        One that comes back after a power cut does no harm but what the module says.
        """
        for receipt in receipts:
            (self._folder / receipt).unlink(missing_ok=True)

    def forget_old(self) -> None:
        """Cross out those of intakes that died a week ago."""
        oldest = time.time() - _KEPT_SECONDS
        for path in self._folder.glob("*-*"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            except FileNotFoundError:
                continue  # another intake did

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
