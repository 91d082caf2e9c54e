"""Encode the queries of many requests together, in one thread of the process.

While one pass runs, further queries gather; the next pass takes them all. So a lone query never
waits for company, and many share a pass.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.ports import Encoders

Encoded: TypeAlias = "tuple[NDArray[np.float32], bool]"
"""A query's vector, `(dimension,)`, and whether the query was cut."""


@dataclass(frozen=True, slots=True)
class _Request:
    fingerprint: str
    texts: Sequence[str]
    answer: "Future[Sequence[Encoded]]" = field(default_factory=Future)


class QueryBatcher:
    """Encodes queries; safe to call from any thread.

    `most` bounds the queries of one pass, give or take those of one request, so that a flood
    cannot make a single pass endless.
    """

    def __init__(self, encoders: Encoders, *, most: int = 32) -> None:
        self._encoders = encoders
        self._most = most
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def encode(self, fingerprint: str, texts: Sequence[str]) -> Sequence[Encoded]:
        """Return the vectors of queries, all from one pass, in their order.

        Raises:
            EncoderNotInstalled, CorruptFile: from loading the encoder.
        """
        if not texts:
            return ()
        self._start()
        request = _Request(fingerprint, texts)
        self._waiting.put(request)
        return request.answer.result()

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
            by_encoder: dict[str, list[_Request]] = {}
            for request in batch:
                by_encoder.setdefault(request.fingerprint, []).append(request)
            for fingerprint, requests in by_encoder.items():
                self._answer(fingerprint, requests)
            if ended:
                return

    def _gather(self) -> tuple[list[_Request], bool]:
        """Wait for one request, then take what has gathered meanwhile."""
        batch: list[_Request] = []
        wait = True
        while sum(len(request.texts) for request in batch) < self._most:
            try:
                request = self._waiting.get(block=wait)
            except queue.Empty:
                break
            if request is None:
                return batch, True
            batch.append(request)
            wait = False
        return batch, False

    def _answer(self, fingerprint: str, requests: list[_Request]) -> None:
        texts = list(chain.from_iterable(request.texts for request in requests))
        try:
            encoder = self._encoders.load(fingerprint)
            encoded = list(zip(*encoder.encode_queries(texts), strict=True))
        except BaseException as error:  # noqa: BLE001 - handed to each waiting request
            for request in requests:
                request.answer.set_exception(error)
            return
        first = 0
        for request in requests:
            request.answer.set_result(encoded[first : first + len(request.texts)])
            first += len(request.texts)
