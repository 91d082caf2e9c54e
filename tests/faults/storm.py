"""Kill processes at random while documents come in and are indexed; then judge by the ledger.

    python -m tests.faults.storm [--on BACKEND] [--documents N] [--kills N] [--seed N]
                                                                         (or ./run storm …)

Index workers, the web process, the intake and the broker are each killed with SIGKILL `--kills`
times, index workers twice as often; a PostgreSQL, too. Before a worker is killed it is stopped
(SIGSTOP) and the catalog is asked what it was doing, so that kills in mid-encode and in
mid-publish are counted, and aimed for.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from shared.catalog import Database
from shared.index import FolderIndexStore
from tests.backends import BACKENDS, Backend, open_backend
from tests.datasets import scifact_documents
from tests.faults.aim import Aim
from tests.faults.ledger import Ledger, Verdict, wait_until_quiet
from tests.faults.producers import ApiProducer, Document, Producer, QueueProducer, plain_json
from tests.running import RunningLamina

COLLECTION = "storm"
ENVIRONMENT = {
    "LAMINA_ENCODING_LEASE_SECONDS": "6",
    # A worker may be killed more often than this while it happens to hold the same document.
    "LAMINA_ENCODING_MAX_CRASHES": "50",
}
_SAMPLE = 30
_QUIET_SECONDS = 600.0
_REST_SECONDS = (0.2, 1.0)


@dataclass(slots=True)
class Report:
    """What happened in one storm."""

    seed: int
    backend: str
    kills: Counter[str] = field(default_factory=Counter)
    at: Counter[str] = field(default_factory=Counter)
    """What index workers were doing when they were killed."""
    searches: int = 0
    found: int = 0
    seconds: float = 0.0
    verdict: Verdict | None = None


class Storm:
    """One run: two HTTP clients and a queue producer submit while a killer kills."""

    def __init__(
        self, lamina: RunningLamina, backend: Backend, documents: Sequence[Document], seed: int
    ) -> None:
        self.lamina = lamina
        self.ledger = Ledger()
        self.report = Report(seed, backend.name)
        self._backend = backend
        self._random = random.Random(seed)
        self._catalog = Database(lamina.catalog_url)
        self._aim = Aim(lamina, self._catalog, self._random)
        self._parts = [documents[start::3] for start in range(3)]
        self._failures: list[BaseException] = []

    def run(self, kills: int) -> Report:
        """Submit everything under *kills* kills of each kind, wait for quiet, judge."""
        started = time.monotonic()
        url = self.lamina.url
        push = plain_json(self._backend, self.lamina)
        producers: list[tuple[Producer, int]] = [
            (ApiProducer("many", url, COLLECTION), 7),
            (ApiProducer("single", url, COLLECTION), 1),
            (QueueProducer("queue", url, COLLECTION, push), 5),
        ]
        submitters = [
            threading.Thread(target=self._submit, args=(producer, part, size))
            for (producer, size), part in zip(producers, self._parts, strict=True)
        ]
        for thread in submitters:
            thread.start()
        self._kill_all(kills)
        for thread in submitters:
            thread.join()
        if self._failures:
            raise self._failures[0]
        wait_until_quiet(url, _QUIET_SECONDS)
        self._search_sample()
        store = FolderIndexStore(self.lamina.data_dir / "index")
        self.report.verdict = self.ledger.judge(self._catalog, store, COLLECTION)
        self.report.at = self._aim.at
        self._catalog.close()
        self.report.seconds = time.monotonic() - started
        return self.report

    def _submit(self, producer: Producer, documents: Sequence[Document], size: int) -> None:
        try:
            for start in range(0, len(documents), size):
                some = documents[start : start + size]
                self.ledger.acknowledge(producer.put(some), some)
        except BaseException as error:  # noqa: BLE001 - raised again by run()
            self._failures.append(error)
        finally:
            producer.close()

    def _kill_all(self, kills: int) -> None:
        kinds = ["index", "index", "web", "intake", "broker"]
        if self._backend.postgres:
            kinds.append("database")
        plan = kinds * kills
        self._random.shuffle(plan)
        for kind in plan:
            time.sleep(self._random.uniform(*_REST_SECONDS))
            self._kill(kind)
            self.report.kills[kind] += 1

    def _kill(self, kind: str) -> None:
        if kind == "broker":
            self._backend.kill_broker(self.lamina)
            self._backend.start_broker(self.lamina)
        elif kind == "database":
            assert self._backend.postgres is not None
            self._backend.postgres.kill()
            self._backend.postgres.restart()
        else:
            pid = self._aim.catch()[0] if kind == "index" else self._aim.any(kind)
            os.kill(pid, signal.SIGKILL)

    def _search_sample(self) -> None:
        documents = [one for part in self._parts for one in part]
        for document in self._random.sample(documents, min(_SAMPLE, len(documents))):
            answer = httpx.get(
                f"{self.lamina.url}/api/v1/collections/{COLLECTION}/search",
                params={"q": f"{document['title']}\n\n{document['text']}"[:8000], "k": 5},
                timeout=30,
            ).json()
            self.report.searches += 1
            self.report.found += document["id"] in [hit["id"] for hit in answer["hits"]]


def run_storm(
    folder: Path,
    documents: Sequence[Document],
    kills: int,
    seed: int,
    *,
    on: str = "embedded",
) -> Report:
    """Start a Lamina in *folder*, let the storm go over it, and return what happened."""
    with (
        open_backend(on, folder.parent) as backend,
        RunningLamina(folder, {**ENVIRONMENT, **backend.environment}) as lamina,
    ):
        httpx.post(
            f"{lamina.url}/api/v1/collections",
            json={"name": COLLECTION, "chunking": {"mode": "none"}},
        ).raise_for_status()
        return Storm(lamina, backend, documents, seed).run(kills)


def main() -> None:
    """Run a storm on SciFact and print its report."""
    parser = argparse.ArgumentParser(prog="./run storm", description=__doc__)
    parser.add_argument("--on", choices=BACKENDS, default="embedded")
    parser.add_argument("--documents", type=int, default=5183)
    parser.add_argument("--kills", type=int, default=6, help="of each kind (default 6)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr)
    documents = scifact_documents(options.documents)
    with tempfile.TemporaryDirectory() as folder:
        report = run_storm(
            Path(folder) / "var", documents, options.kills, options.seed, on=options.on
        )
    assert report.verdict
    summary = {**asdict(report), "kills": dict(report.kills), "at": dict(report.at)}
    print(json.dumps(summary, indent=2))
    report.verdict.check()
    assert report.found == report.searches


if __name__ == "__main__":
    main()
