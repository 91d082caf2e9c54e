"""An encoder that does to its process what a document tells it."""

import os
import re
import signal
import time
from collections.abc import Callable, Sequence

import numpy as np

from shared.domain import Chunked, Chunking, Passage, PassRecord, Vectors
from shared.errors import UnencodableDocument
from tests.fakes.encoder import HashEncoder


def hang() -> None:
    """Say so and wait for ever, as native code that lets Python's lock go."""
    print("hanging", flush=True)
    time.sleep(3600)


def hog() -> None:
    """Work for ever with Python's lock in hand, as an unlucky regular expression."""
    re.fullmatch(r"(a|a)*b", "a" * 60)


def die() -> None:
    """End as the kernel ends a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    """End as native code that is wrong."""
    os.abort()


def gorge() -> None:
    """Ask for more memory than there is."""
    bytearray(1 << 62)


def dawdle() -> None:
    """Take a while."""
    time.sleep(0.2)


def refuse() -> None:
    """Fail as a model that cannot read this."""
    raise UnencodableDocument("The model chokes on this.")


DEEDS: dict[str, Callable[[], None]] = {
    deed.__name__: deed for deed in (hang, hog, die, crash, gorge, dawdle, refuse)
}


class DeadlyEncoder(HashEncoder):
    """A `HashEncoder` that obeys `do-WORD` when it encodes, and `cut-WORD` when it cuts a text.

    Each passage is a pass of its own.
    """

    def chunk(self, title: str, text: str, rule: Chunking) -> Chunked:
        _obey("cut-", text)
        return super().chunk(title, text, rule)

    def encode(
        self, passages: Sequence[Passage], *, between: Callable[[], None] | None = None
    ) -> tuple[Vectors, Sequence[PassRecord]]:
        rows: list[Vectors] = []
        records: list[PassRecord] = []
        for passage in passages:
            if rows and between:
                between()
            _obey("do-", passage.input)
            vectors, done = super().encode([passage])
            rows.append(vectors)
            records.extend(done)
        return np.concatenate(rows), records


def _obey(prefix: str, text: str) -> None:
    for name, deed in DEEDS.items():
        if prefix + name in text:
            deed()
