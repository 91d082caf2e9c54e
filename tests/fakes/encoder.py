"""Encoders without a model: words are tokens, a text is the sum of its words' vectors.

Texts that share words are close, so searches make sense. They pass the same contract tests as
the real adapter (`tests/contract/test_encoder.py`).
"""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from shared.domain import (
    Chunked,
    Chunking,
    ChunkingMode,
    EncoderCard,
    Metric,
    Passage,
    PassRecord,
    Vectors,
)
from shared.errors import EncoderNotInstalled, UnencodableDocument

WORD = re.compile(r"\S+")


class HashEncoder:
    """A deterministic `Encoder`: one token a word, unit vectors, no special tokens.

    A text that holds the word *poison* cannot be encoded.
    """

    def __init__(
        self,
        name: str = "lamina/hash",
        *,
        dimension: int = 32,
        max_tokens: int = 64,
        pass_tokens: int = 256,
        metric: Metric = Metric.COSINE,
        poison: str | None = None,
    ) -> None:
        self.card = EncoderCard(
            name=name,
            fingerprint=hashlib.sha256(f"{name}/{dimension}/{max_tokens}".encode()).hexdigest(),
            dimension=dimension,
            max_tokens=max_tokens,
            metric=metric,
        )
        self._pass_tokens = pass_tokens
        self._poison = poison

    def chunk(self, title: str, text: str, rule: Chunking) -> Chunked:
        limit = min(rule.max_tokens or self.card.max_tokens, self.card.max_tokens)
        words = [(found.start(), found.end()) for found in WORD.finditer(text)]
        count = len(title.split()) + len(words)
        if not count:
            warning = "Title and text are empty; a search by meaning cannot find the document."
            return Chunked(passages=(_passage(title, text, 0, len(text)),), warnings=(warning,))
        if count <= limit:
            return Chunked(passages=(_passage(title, text, 0, len(text)),))
        if rule.mode is ChunkingMode.NONE or not words:
            warning = f"Cut after {limit} of {count} tokens; the rest cannot be found by search."
            kept = max(0, limit - len(title.split()))
            passage = _passage(title, text, 0, words[kept - 1][1] if kept and words else 0)
            return Chunked(passages=(passage,), warnings=(warning,))
        head = title.split()[: limit // 2]
        room = limit - len(head)
        step = max(1, room - min(rule.overlap_tokens, room // 2))
        starts = range(0, max(1, len(words) - room + step), step)
        parts = [words[start : start + room] for start in starts]
        return Chunked(
            passages=tuple(_passage(" ".join(head), text, p[0][0], p[-1][1]) for p in parts),
            warnings=("Title cut.",) if len(title.split()) > len(head) else (),
        )

    def encode(
        self,
        passages: Sequence[Passage],
        *,
        between: Callable[[], None] | None = None,
    ) -> tuple[Vectors, Sequence[PassRecord]]:
        vectors = np.zeros((len(passages), self.card.dimension), dtype=np.float32)
        records: list[PassRecord] = []
        rows = max(1, self._pass_tokens // self.card.max_tokens)
        edges = [*range(0, len(passages), rows), len(passages)]
        for start, end in pairwise(edges):
            if start and between is not None:
                between()
            part = passages[start:end]
            began = time.perf_counter()
            for row, passage in enumerate(part, start=start):
                vectors[row] = self._vector(passage.input)
            records.append(
                PassRecord(
                    rows=len(part),
                    tokens=sum(passage.tokens for passage in part),
                    padded_tokens=len(part) * max(passage.tokens for passage in part),
                    seconds=time.perf_counter() - began,
                )
            )
        return vectors, records

    def encode_queries(self, queries: Sequence[str]) -> tuple[Vectors, Sequence[bool]]:
        vectors = np.zeros((len(queries), self.card.dimension), dtype=np.float32)
        for row, query in enumerate(queries):
            vectors[row] = self._vector(query)
        return vectors, [len(query.split()) > self.card.max_tokens for query in queries]

    def _vector(self, text: str) -> Vectors:
        words = text.split()[: self.card.max_tokens] or [""]
        if self._poison in words:
            raise UnencodableDocument(f"The text holds the word {self._poison}.")
        total = np.sum([self._word(word) for word in words], axis=0)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)

    def _word(self, word: str) -> Vectors:
        seed = hashlib.sha256(f"{self.card.name} {word.lower()}".encode()).digest()
        numbers = np.random.default_rng(int.from_bytes(seed[:8]))
        return numbers.standard_normal(self.card.dimension, dtype=np.float32)


class FakeEncoders:
    """`Encoders` over encoders that are in memory already."""

    def __init__(self, *encoders: HashEncoder) -> None:
        self._encoders = encoders or (HashEncoder(),)

    def cards(self) -> Sequence[EncoderCard]:
        return sorted((one.card for one in self._encoders), key=lambda card: card.name)

    def card(self, name: str) -> EncoderCard:
        cards = self.cards()
        full = [card for card in cards if card.name == name]
        found = full or [card for card in cards if card.name.rpartition("/")[2] == name]
        if len(found) != 1:
            raise EncoderNotInstalled(f"No encoder {name!r}, or several.")
        return found[0]

    def load(self, fingerprint: str) -> HashEncoder:
        for encoder in self._encoders:
            if encoder.card.fingerprint == fingerprint:
                return encoder
        raise EncoderNotInstalled(f"No encoder has the fingerprint {fingerprint}.")


def _passage(title: str, text: str, start: int, end: int) -> Passage:
    part = text[start:end]
    read = f"{title}\n\n{part}" if title and part else title or part
    return Passage(start=start, end=end, tokens=len(read.split()), input=read)
