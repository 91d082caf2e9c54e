"""Clients that change documents, each its own: puts, rising upserts, deletes, cancels.

A document belongs to one writer, which waits for each acknowledgement before the next change, so
the order of a document's changes is known to the ledger.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from tests.faults.ledger import Ledger
from tests.faults.producers import Document, NotAcknowledged, Producer, insist
from tests.faults.soak.figures import Figures
from tests.faults.soak.stopwatch import Stopwatch

_UPSERT_SHARE = 0.25
_DELETE_SHARE = 0.07
_CANCEL_SHARE = 0.03
_TIMED_SHARE = 0.3
"""Of requests: how long they take to be searchable is timed."""
_ANSWER_SECONDS = 15.0
_AHEAD = 200
"""Documents of a writer that may be unfinished before it sends more. On a machine that is slower
than its writers the backlog would otherwise grow for as long as the soak goes on."""
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How much a writer does."""

    most: int
    """Documents of one request."""
    rest_seconds: float
    """On average, between two requests."""
    timed: bool = True
    """Whether some of its requests are timed."""
    cancels: bool = False


class Writer:
    """One client and its documents. `run` is for a thread of its own."""

    def __init__(
        self,
        producer: Producer,
        habit: Habit,
        *,
        url: str,
        texts: Sequence[Document],
        ledger: Ledger,
        figures: Figures,
        stopwatch: Stopwatch,
        seed: str,
    ) -> None:
        self.name = producer.name
        self._producer = producer
        self._habit = habit
        self._http = httpx.Client(
            base_url=f"{url}/api/v1", timeout=_ANSWER_SECONDS, trust_env=False
        )
        self._texts = texts
        self._ledger = ledger
        self._figures = figures
        self._stopwatch = stopwatch
        self._chance = random.Random(f"{seed}/{producer.name}")
        self._revisions: dict[str, int] = {}
        """How often each document was put."""
        self._unfinished: deque[tuple[str, int]] = deque()
        """Jobs with their documents, oldest first."""

    def run(self, ended: threading.Event) -> None:
        """Change documents until *ended*; what was sent by then is acknowledged at the return."""
        with self._http:
            while not ended.is_set():
                try:
                    self._act()
                except NotAcknowledged as error:
                    self._figures.fault(f"{self.name}: a change was not acknowledged: {error}")
                    return
                ended.wait(self._chance.expovariate(1 / self._habit.rest_seconds))
                self._catch_up(ended)

    def _act(self) -> None:
        dice = self._chance.random()
        if self._revisions and dice < _DELETE_SHARE:
            self._delete(self._chance.choice(list(self._revisions)))
            return
        count = self._chance.randint(1, self._habit.most)
        if self._revisions and dice < _DELETE_SHARE + _UPSERT_SHARE:
            names = self._chance.sample(list(self._revisions), min(count, len(self._revisions)))
        else:
            names = [f"{self.name}-{len(self._revisions) + number}" for number in range(count)]
        self._put(names)

    def _put(self, names: Sequence[str]) -> None:
        documents = [self._write(name) for name in names]
        self._figures.count("submitted", self.name, len(documents))
        job = self._producer.put(documents)
        acknowledged = time.monotonic()
        self._ledger.acknowledge(job, documents)
        self._unfinished.append((job, len(documents)))
        self._figures.count("acknowledged", self.name, len(documents))
        if self._habit.cancels and self._chance.random() < _CANCEL_SHARE:
            self._cancel(job)
        elif self._habit.timed and self._chance.random() < _TIMED_SHARE:
            self._stopwatch.start(job, acknowledged)

    def _write(self, name: str) -> Document:
        """Return the next revision of a document; its title is one of a kind."""
        revision = self._revisions[name] = self._revisions.get(name, 0) + 1
        source = self._chance.choice(self._texts)
        title = f"{source['title'].strip()} ({name}, {revision})"
        return {"id": name, "title": title, "text": source["text"].strip()}

    def _delete(self, name: str) -> None:
        if job := self._producer.delete(name):  # None where it was deleted before
            self._ledger.acknowledge_deletion(job, name)
            for part in ("submitted", "acknowledged", "deletions"):
                self._figures.count(part, self.name)

    def _catch_up(self, ended: threading.Event) -> None:
        """Wait until not too much of what was sent is unfinished."""
        while sum(count for _, count in self._unfinished) > _AHEAD and not ended.is_set():
            if self._is_finished(self._unfinished[0][0]):
                self._unfinished.popleft()
            else:
                ended.wait(_LOOK_SECONDS)

    def _is_finished(self, job: str) -> bool:
        try:
            answer = self._http.get(f"/jobs/{job}")
        except httpx.TransportError:  # an outage; the searchers account for it
            return False
        return answer.is_success and bool(answer.json()["finished"])

    def _cancel(self, job: str) -> None:
        answer = insist(lambda: self._http.post(f"/jobs/{job}/cancel", json={}))
        if answer.status_code == httpx.codes.OK:
            self._figures.count("cancels", self.name)
        else:
            self._figures.fault(f"cancelling a job says {answer.status_code}: {answer.text}")
