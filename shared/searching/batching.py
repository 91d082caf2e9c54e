"""Encode the queries of many requests together, in one thread of the process.

While one pass runs, further queries gather; the next pass takes them all. So a lone query never
waits for company, and many share a pass.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.errors import EncoderNotReady
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

    def __init__(
        self, encoders: Encoders, *, most: int = 32, patience_seconds: float = 30.0
    ) -> None:
        self._encoders = encoders
        self._most = most
        self._patience = patience_seconds
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def warm_up(self, fingerprint: str) -> None:
        """Have the encoder loaded and tried out, however long that takes.

        Raises:
            EncoderNotInstalled, CorruptFile: from loading the encoder.
        """
        self._ask(fingerprint, ["warm up"]).result()

    def encode(self, fingerprint: str, texts: Sequence[str]) -> Sequence[Encoded]:
        """Return the vectors of queries, all from one pass, in their order.

        Raises:
            EncoderNotInstalled, CorruptFile: from loading the encoder.
            EncoderNotReady: it took longer than the patience that there is.
        """
        if not texts:
            return ()
        encoded = self._ask(fingerprint, texts)
        # An encoder that is being loaded must not hold one thread of the server after another.
        if wait([encoded], timeout=self._patience).not_done and encoded.cancel():
            raise EncoderNotReady(
                f"The model for queries was not ready after {self._patience:g} seconds: it is "
                "being loaded, or is busy with other queries. Try again in a moment."
            )
        return encoded.result()

    def close(self) -> None:
        """End the thread after what waits now."""
        with self._lock:
            if self._thread:
                self._waiting.put(None)
                self._thread.join()
                self._thread = None

    def _ask(self, fingerprint: str, texts: Sequence[str]) -> "Future[Sequence[Encoded]]":
        self._start()
        request = _Request(fingerprint, texts)
        self._waiting.put(request)
        return request.answer

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
        try:
            encoder = self._encoders.load(fingerprint)
        except BaseException as error:  # noqa: BLE001 - handed to each waiting request
            _fail(_still_wanted(requests), error)
            return
        requests = _still_wanted(requests)
        texts = list(chain.from_iterable(request.texts for request in requests))
        try:
            encoded = list(zip(*encoder.encode_queries(texts), strict=True)) if texts else []
        except BaseException as error:  # noqa: BLE001 - handed to each waiting request
            _fail(requests, error)
            return
        first = 0
        for request in requests:
            request.answer.set_result(encoded[first : first + len(request.texts)])
            first += len(request.texts)


def _still_wanted(requests: Sequence[_Request]) -> list[_Request]:
    """Leave out who gave up meanwhile; from here on the others wait to the end."""
    return [one for one in requests if one.answer.set_running_or_notify_cancel()]


def _fail(requests: Sequence[_Request], error: BaseException) -> None:
    for request in requests:
        request.answer.set_exception(error)
