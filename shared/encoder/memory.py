"""Token ids of passages between cutting and encoding, so that they are not tokenized twice."""

import threading

from shared.domain import Passage
from shared.encoder.chunking import Ids

MOST_TOKENS = 1_000_000
"""About 8 MB of ids; a claim holds some ten thousand tokens."""


class IdMemory:
    """Remembers the ids of the passages cut last. Losing some costs time, nothing else."""

    def __init__(self, most_tokens: int = MOST_TOKENS) -> None:
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, int], Ids] = {}
        self._tokens = 0
        self._most_tokens = most_tokens

    def put(self, passage: Passage, ids: Ids) -> None:
        """Remember *ids*, forgetting the oldest where there are too many."""
        with self._lock:
            self._drop((passage.input, passage.tokens))
            self._ids[passage.input, passage.tokens] = ids
            self._tokens += len(ids)
            while self._tokens > self._most_tokens:
                self._drop(next(iter(self._ids)))

    def take(self, passage: Passage) -> Ids | None:
        """Return and forget the ids of *passage*; None if they are not remembered."""
        with self._lock:
            return self._drop((passage.input, passage.tokens))

    def _drop(self, key: tuple[str, int]) -> Ids | None:
        ids = self._ids.pop(key, None)
        self._tokens -= len(ids or ())
        return ids
