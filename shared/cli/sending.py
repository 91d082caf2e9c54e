"""Hand documents over in batches, patiently, and never twice."""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from shared.cli.jsonlines import BadLine, Line
from shared.cli.terminal import Exit, Failure
from shared.client import Client, Refused, Unreachable
from shared.client.replies import BulkReply

BATCH_BYTES = 4 * 1024 * 1024
_UNREACHABLE_SECONDS = 60.0
_BUSY_SECONDS = 3600.0  # a full queue drains at the speed of encoding
_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of one request."""

    lines: tuple[Line, ...]

    @property
    def body(self) -> bytes:
        """The request, UTF-8 JSON, a document a line."""
        return b"\n".join(line.encoded for line in self.lines)


def batches(lines: Iterable[Line], *, documents: int, size: int = BATCH_BYTES) -> Iterator[Batch]:
    """Cut *lines* into batches of at most *documents*, and of *size* bytes where one fits."""
    waiting: list[Line] = []
    held = 0
    for line in lines:
        if waiting and (len(waiting) == documents or held + len(line.encoded) > size):
            yield Batch(tuple(waiting))
            waiting, held = [], 0
        waiting.append(line)
        held += len(line.encoded)
    if waiting:
        yield Batch(tuple(waiting))


@dataclass(frozen=True, slots=True)
class Sent:
    """Documents that were accepted together."""

    job_id: str
    documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends batches to one collection.

    `run` begins each idempotency key, whose rest is the batch's content: a batch that is sent
    again after a lost answer is recognised, while the same file may be added again another day.
    """

    client: Client
    collection: str
    lane: str
    run: str
    skip_bad: Callable[[BadLine], None] | None = None
    """Told of each document that Lamina refuses; None stops at the first."""
    pause: Callable[[float], None] = time.sleep

    def send(self, batch: Batch) -> Iterator[Sent]:
        """Hand over a batch; what Lamina cannot take yet is sent again, in order.

        Raises:
            BadLine: a document was refused; those that were accepted came before.
            Refused: the request was refused.
            Failure: documents were refused for no fault of theirs.
            Unreachable: no answer for a minute.
        """
        started = time.monotonic()
        tries = 0
        while batch.lines:
            reply = self._answer(batch)
            yield from _accepted(reply)
            for bad in _bad_lines(batch, reply):
                if self.skip_bad is None:
                    raise bad
                self.skip_bad(bad)
            left = _left(batch, reply)
            if len(left.lines) < len(batch.lines):
                started, tries = time.monotonic(), 0
            elif time.monotonic() - started > _BUSY_SECONDS:
                raise Failure(reply.lines[0].get("error", "Lamina is too busy."), Exit.UNREACHABLE)
            batch = left
            if batch.lines:
                self._rest(reply.summary["retry_after_seconds"], tries)
                tries += 1

    def _answer(self, batch: Batch) -> BulkReply:
        """Send until there is an answer; a batch that was stored already is recognised."""
        body = batch.body
        key = f"{self.run}-{hashlib.sha256(body).hexdigest()[:32]}"
        started = time.monotonic()
        tries = 0
        while True:
            try:
                return self.client.bulk(self.collection, body, key=key, lane=self.lane)
            except Unreachable:
                if time.monotonic() - started > _UNREACHABLE_SECONDS:
                    raise
                wait = None
            except Refused as refused:
                if not refused.busy or time.monotonic() - started > _BUSY_SECONDS:
                    raise
                wait = refused.retry_after_seconds
            self._rest(wait, tries)
            tries += 1

    def _rest(self, seconds: float | None, tries: int) -> None:
        self.pause(seconds or min(5.0, 0.2 * 2**tries) * random.uniform(0.5, 1))  # noqa: S311


def _accepted(reply: BulkReply) -> Iterator[Sent]:
    """Yield the jobs that lines became, in order."""
    jobs = Counter(line["job_id"] for line in reply.lines if line["status"] == HTTPStatus.ACCEPTED)
    for job_id, documents in jobs.items():
        yield Sent(job_id, documents)


def _bad_lines(batch: Batch, reply: BulkReply) -> Iterator[BadLine]:
    """Yield what was refused for its own fault.

    Raises:
        Failure: a line was refused for another reason, and so would be the next.
    """
    for line in reply.lines:
        if line["status"] == HTTPStatus.ACCEPTED or line["status"] in _LATER:
            continue
        where = batch.lines[line["line"] - 1].where
        if line["status"] not in _DOCUMENTS_FAULT:
            raise Failure(f"{where}: {line['error']} (HTTP {line['status']})", Exit.FAILED)
        yield BadLine(where, line["error"])


def _left(batch: Batch, reply: BulkReply) -> Batch:
    """Return the lines that Lamina could not take yet."""
    numbers = [line["line"] for line in reply.lines if line["status"] in _LATER]
    return Batch(tuple(batch.lines[number - 1] for number in numbers))


_DOCUMENTS_FAULT = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
