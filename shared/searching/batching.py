"""Encode the queries of many requests together, in one thread of the process.

While one pass runs, further queries gather; the next pass takes them all. So a lone query never
waits for company, and many share a pass.
"""

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.ports import Encoders


@dataclass(frozen=True, slots=True)
class _Query:
    fingerprint: str
    text: str
    answer: "Future[tuple[NDArray[np.float32], bool]]" = field(default_factory=Future)


class QueryBatcher:
    """Encodes queries; safe to call from any thread.

    `most` bounds the queries of one pass, so that a flood cannot make a single pass endless.
    """

    def __init__(self, encoders: Encoders, *, most: int = 32) -> None:
        self._encoders = encoders
        self._most = most
        self._waiting: queue.SimpleQueue[_Query | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def encode(self, fingerprint: str, text: str) -> tuple[NDArray[np.float32], bool]:
        """Return the query's vector, `(dimension,)` float32, and whether the text was cut.

        Raises:
            EncoderNotInstalled, CorruptFile: from loading the encoder.
        """
        self._start()
        query = _Query(fingerprint, text)
        self._waiting.put(query)
        return query.answer.result()

    def close(self) -> None:
        """End the thread after what waits now."""
        with self._lock:
            if self._thread:
                self._waiting.put(None)
                self._thread.join()
                self._thread = None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="queries", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            batch, ended = self._gather()
            by_encoder: dict[str, list[_Query]] = {}
            for query in batch:
                by_encoder.setdefault(query.fingerprint, []).append(query)
            for fingerprint, queries in by_encoder.items():
                self._answer(fingerprint, queries)
            if ended:
                return

    def _gather(self) -> tuple[list[_Query], bool]:
        """Wait for one query, then take what has gathered meanwhile."""
        batch: list[_Query] = []
        wait = True
        while len(batch) < self._most:
            try:
                query = self._waiting.get(block=wait)
            except queue.Empty:
                break
            if query is None:
                return batch, True
            batch.append(query)
            wait = False
        return batch, False

    def _answer(self, fingerprint: str, queries: list[_Query]) -> None:
        try:
            encoder = self._encoders.load(fingerprint)
            vectors, cut = encoder.encode_queries([query.text for query in queries])
        except BaseException as error:  # noqa: BLE001 - handed to each waiting request
            for query in queries:
                query.answer.set_exception(error)
            return
        for query, vector, was_cut in zip(queries, vectors, cut, strict=True):
            query.answer.set_result((vector, was_cut))
