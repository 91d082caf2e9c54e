"""An encoder for tests that can be told to misbehave."""

from collections.abc import Callable, Sequence

import numpy as np

from shared.domain import Passage, PassRecord, Vectors
from shared.errors import IndexUnavailable, UnencodableDocument
from tests.fakes.encoder import HashEncoder


class WaywardEncoder(HashEncoder):
    """A `HashEncoder` that counts, and fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self._refused: set[str] = set()
        self._scales: dict[str, float] = {}
        self._broken = False
        self.encoded = 0
        """Passages encoded so far."""
        self.pass_rows = 64
        self.on_pass: Callable[[], None] = lambda: None

    def refuse(self, word: str) -> None:
        """Fail on every passage that holds *word*, as a model that chokes on it."""
        self._refused.add(word)

    def forgive(self) -> None:
        """Refuse nothing any more."""
        self._refused.clear()

    def scale(self, word: str, factor: float) -> None:
        """Make the vectors of passages that hold *word* this much longer."""
        self._scales[word] = factor

    def break_down(self) -> None:
        """Fail on everything, as a disk that went away."""
        self._broken = True

    def recover(self) -> None:
        """Work again."""
        self._broken = False

    def encode(
        self, passages: Sequence[Passage], *, between: Callable[[], None] | None = None
    ) -> tuple[Vectors, Sequence[PassRecord]]:
        if self._broken:
            raise IndexUnavailable("The disk went away.")
        for passage in passages:
            if any(word in passage.input for word in self._refused):
                raise UnencodableDocument("The model chokes on this.")
        rows: list[Vectors] = []
        records: list[PassRecord] = []
        for start in range(0, len(passages), self.pass_rows):
            if start and between:
                between()
            some = passages[start : start + self.pass_rows]
            vectors, done = super().encode(some)
            scales = [
                max([factor for word, factor in self._scales.items() if word in one.input] or [1])
                for one in some
            ]
            rows.append(vectors * np.array(scales, dtype=np.float32)[:, None])
            records.extend(done)
            self.encoded += len(some)
            self.on_pass()
        return np.concatenate(rows), records
