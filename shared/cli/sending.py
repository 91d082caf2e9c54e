"""Hand documents over in batches, patiently, and never twice."""

import hashlib
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from shared.cli.client import Client, Refused, Unreachable
from shared.cli.jsonlines import BadLine, Line

BATCH_BYTES = 4 * 1024 * 1024
_UNREACHABLE_SECONDS = 60.0
_BUSY_SECONDS = 3600.0  # a full queue drains at the speed of encoding
_POINTER = re.compile(r"/documents/(\d+)")


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of one request."""

    lines: tuple[Line, ...]

    @property
    def body(self) -> bytes:
        """The request, UTF-8 JSON."""
        return b'{"documents":[' + b",".join(line.encoded for line in self.lines) + b"]}"


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
        """Hand over a batch, in parts if Lamina finds it too large or some of it bad.

        Raises:
            BadLine: a document was refused, and nothing of its part was accepted.
            Refused: the request was refused for another reason.
            Unreachable: no answer for a minute.
        """
        if not batch.lines:
            return
        try:
            yield Sent(self._submit(batch), len(batch.lines))
        except Refused as refused:
            bad = _bad_lines(batch, refused)
            if refused.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(batch.lines) > 1:
                half = len(batch.lines) // 2
                yield from self.send(Batch(batch.lines[:half]))
                yield from self.send(Batch(batch.lines[half:]))
            elif not bad:
                raise
            elif self.skip_bad is None:
                raise next(iter(bad.values())) from refused
            else:
                for one in bad.values():
                    self.skip_bad(one)
                good = [line for place, line in enumerate(batch.lines) if place not in bad]
                yield from self.send(Batch(tuple(good)))

    def _submit(self, batch: Batch) -> str:
        """Send until it is accepted or refused for good; return the job's id."""
        body = batch.body
        key = f"{self.run}-{hashlib.sha256(body).hexdigest()[:32]}"
        started = time.monotonic()
        tries = 0
        while True:
            try:
                answer = self.client.submit(self.collection, body, key=key, lane=self.lane)
                return answer["job"]["id"]
            except Unreachable:
                if time.monotonic() - started > _UNREACHABLE_SECONDS:
                    raise
                wait = None
            except Refused as refused:
                if not refused.busy or time.monotonic() - started > _BUSY_SECONDS:
                    raise
                wait = refused.retry_after_seconds
            self.pause(wait or min(5.0, 0.2 * 2**tries) * random.uniform(0.5, 1))  # noqa: S311
            tries += 1


def _bad_lines(batch: Batch, refused: Refused) -> dict[int, BadLine]:
    """Return what was refused by its place in the batch, when the answer names documents."""
    bad: dict[int, BadLine] = {}
    for pointer, detail in refused.faults:
        found = _POINTER.match(pointer)
        if found and int(found[1]) < len(batch.lines):
            place = int(found[1])
            field = pointer[found.end() :].lstrip("/")
            what = f"`{field}` {detail}" if field else detail
            bad.setdefault(place, BadLine(batch.lines[place].where, what))
    if not bad and len(batch.lines) == 1 and refused.status in _DOCUMENTS_FAULT:
        bad[0] = BadLine(batch.lines[0].where, str(refused))
    return bad


_DOCUMENTS_FAULT = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
