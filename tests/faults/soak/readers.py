"""Clients that search all the time, and see what no client may see."""

import random
import threading
import time
from typing import Any

import httpx

from tests.faults.ledger import Ledger
from tests.faults.producers import ApiProducer, NotAcknowledged
from tests.faults.soak.figures import Figures
from tests.faults.soak.outages import Outages

EDITIONS = "editions"
"""A collection of a single document, which is replaced again and again."""
_EDITION = "edition"
_SEARCH_SECONDS = 15.0
_AFTER_SHARE = 0.1
_EXACT_SHARE = 0.1


class Reader:
    """A session: it never wants to see a version older than one that it has seen."""

    def __init__(self, name: str, url: str, collection: str, figures: Figures) -> None:
        self.name = name
        self.outages = Outages()
        self.newest = 0
        """The newest version that it saw."""
        self._http = httpx.Client(
            base_url=f"{url}/api/v1", timeout=_SEARCH_SECONDS, trust_env=False
        )
        self._collection = collection
        self._figures = figures

    def search(self, query: str, **options: Any) -> dict[str, Any] | None:
        """Search; return the answer, or None if it failed or was put off."""
        sent = time.monotonic()
        try:
            answer = self._http.get(
                f"/collections/{self._collection}/search",
                params={"q": query, "min_version": self.newest, **options},
            )
        except httpx.TransportError as error:
            self._failed(sent, repr(error))
            return None
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self._figures.count("searches", "put off")  # too many wait for a job just now
            return None
        if not answer.is_success:
            self._failed(sent, f"{answer.status_code}: {answer.text[:300]}")
            return None
        # One that waits for a job is no outage, however long it takes.
        self.outages.worked(sent if "after" in options else time.monotonic())
        self._figures.count("searches", "answered")
        found: dict[str, Any] = answer.json()
        if found["version"] < self.newest:
            self._figures.fault(
                f"{self.name} saw version {found['version']} after version {self.newest}"
            )
        self.newest = max(self.newest, found["version"])
        return found

    def close(self) -> None:
        """Say that it searches no more."""
        self.outages.close()
        self._http.close()

    def _failed(self, sent: float, reason: str) -> None:
        self._figures.count("searches", "failed")
        self.outages.failed(sent, reason)
        time.sleep(0.1)


class Searcher:
    """Searches for what was acknowledged lately, or long ago."""

    def __init__(self, reader: Reader, ledger: Ledger, figures: Figures, seed: str) -> None:
        self.reader = reader
        self._ledger = ledger
        self._figures = figures
        self._chance = random.Random(f"{seed}/{reader.name}")

    def run(self, ended: threading.Event) -> None:
        """Search until *ended*."""
        while not ended.wait(self._chance.uniform(0.05, 0.3)):
            self._search()
        self.reader.close()

    def _search(self) -> None:
        entry = self._ledger.sample(self._chance)
        if entry is None:
            return
        options: dict[str, Any] = {"k": self._chance.choice([1, 5, 10, 50])}
        if self._chance.random() < _AFTER_SHARE:
            options["after"] = entry.job
        if self._chance.random() < _EXACT_SHARE:
            options["exact"] = "true"
        answer = self.reader.search(entry.title or "something", **options)
        if answer and len({hit["id"] for hit in answer["hits"]}) != len(answer["hits"]):
            self._figures.fault(f"version {answer['version']} shows a document twice")


class Witness:
    """Watches one document being replaced: each version must show it once, with one edition."""

    def __init__(self, reader: Reader, figures: Figures) -> None:
        self.reader = reader
        self._figures = figures
        self._editions: dict[int, int] = {}
        """The edition that each version showed."""

    def run(self, ended: threading.Event) -> None:
        """Look until *ended*."""
        while not ended.wait(0.1):
            if answer := self.reader.search(_EDITION, k=5):
                self._look(answer)
        self.reader.close()
        self._figures.count("editions", "seen", len(set(self._editions.values())))

    def _look(self, answer: dict[str, Any]) -> None:
        version, hits = answer["version"], answer["hits"]
        if [hit["id"] for hit in hits] != [_EDITION]:
            shown = [hit["title"] for hit in hits]
            self._figures.fault(f"version {version} of the replaced document shows {shown}")
            return
        edition = int(hits[0]["title"])
        if self._editions.setdefault(version, edition) != edition:
            self._figures.fault(
                f"version {version} shows edition {edition} and {self._editions[version]}"
            )
        newest = max(self._editions.values())
        if edition < newest:
            self._figures.fault(f"edition {edition} was shown after edition {newest}")


class Editor:
    """Replaces the one document of `EDITIONS`, edition by edition."""

    def __init__(self, producer: ApiProducer, ledger: Ledger, figures: Figures) -> None:
        self._producer = producer
        self._ledger = ledger
        self._figures = figures
        self._edition = 0

    def publish(self) -> str:
        """Hand the next edition in; return its job."""
        self._edition += 1
        document = {
            "id": _EDITION,
            "title": str(self._edition),
            "text": f"the {_EDITION} {self._edition}",
        }
        job = self._producer.put([document])
        self._ledger.acknowledge(job, [document])
        self._figures.count("editions", "published")
        return job

    def run(self, ended: threading.Event) -> None:
        """Publish edition after edition until *ended*."""
        while not ended.wait(0.5):
            try:
                self.publish()
            except NotAcknowledged as error:
                self._figures.fault(f"an edition was not acknowledged: {error}")
                return
