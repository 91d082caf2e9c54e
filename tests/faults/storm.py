"""Kill processes at random while documents come in and are indexed; then judge by the ledger.

    python -m tests.faults.storm [--documents N] [--kills N] [--seed N]     (or ./run storm …)

Index workers, the web process, the intake and the broker are each killed with SIGKILL at least
`--kills` times. Before a worker is killed it is stopped (SIGSTOP) and the catalog is asked what it
was doing, so that kills in mid-encode and in mid-publish are counted, and aimed for.
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
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import redis
from sqlalchemy import text

from shared.catalog import Database
from tests.datasets import scifact_documents
from tests.faults.ledger import Ledger, Verdict, wait_until_quiet
from tests.running import RunningLamina

KINDS = ("index", "web", "intake", "broker")
COLLECTION = "storm"
_CATCH_SECONDS = 30.0
"""How long the killer looks for a worker in mid-encode or mid-publish before it takes any."""


@dataclass(slots=True)
class Report:
    """What happened in one storm."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    at: Counter[str] = field(default_factory=Counter)
    """What index workers were doing when they were killed."""
    searches: int = 0
    found: int = 0
    seconds: float = 0.0
    verdict: Verdict | None = None


class Storm:
    """One run: two HTTP clients and a queue producer submit while a killer kills."""

    def __init__(self, lamina: RunningLamina, documents: Sequence[dict[str, str]], seed: int):
        self.lamina = lamina
        self.ledger = Ledger()
        self.report = Report(seed)
        self._random = random.Random(seed)
        self._catalog = Database(f"sqlite:///{lamina.data_dir / 'catalog.db'}")
        third = len(documents) // 3
        self._parts = (documents[:third], documents[third : 2 * third], documents[2 * third :])
        self._broker_url = lamina.broker_url
        self._failures: list[BaseException] = []

    def run(self, kills: int) -> Report:
        """Submit everything under *kills* kills of each kind, wait for quiet, judge."""
        started = time.monotonic()
        submitters = [
            threading.Thread(target=self._guard, args=(self._post, self._parts[0], 7)),
            threading.Thread(target=self._guard, args=(self._post, self._parts[1], 1)),
            threading.Thread(target=self._guard, args=(self._push, self._parts[2], 5)),
        ]
        for thread in submitters:
            thread.start()
        self._kill_all(kills)
        for thread in submitters:
            thread.join()
        if self._failures:
            raise self._failures[0]
        wait_until_quiet(self.lamina.url, 600)
        self._search_sample()
        self._catalog.close()
        self.report.seconds = time.monotonic() - started
        self.report.verdict = self.ledger.judge(self.lamina.data_dir, COLLECTION)
        return self.report

    def _guard(
        self,
        work: Callable[[Sequence[dict[str, str]], int], None],
        part: Sequence[dict[str, str]],
        size: int,
    ) -> None:
        try:
            work(part, size)
        except BaseException as error:  # noqa: BLE001 - raised again by run()
            self._failures.append(error)

    def _post(self, documents: Sequence[dict[str, str]], size: int) -> None:
        """Post in small requests; the same key again until the answer is 202."""
        for start in range(0, len(documents), size):
            some = documents[start : start + size]
            key = uuid.uuid4().hex
            while True:
                try:
                    answer = httpx.post(
                        f"{self.lamina.url}/api/v1/collections/{COLLECTION}/documents",
                        json={"documents": some},
                        headers={"Idempotency-Key": key},
                        timeout=10,
                    )
                except httpx.HTTPError:
                    time.sleep(0.2)
                    continue
                if answer.status_code == httpx.codes.ACCEPTED:
                    break
                assert answer.status_code >= 500, answer.text
                time.sleep(0.2)
            self.ledger.acknowledge(*(one["id"] for one in some))
            time.sleep(0.02)

    def _push(self, documents: Sequence[dict[str, str]], size: int) -> None:
        """Push plain JSON to the queue; again with the same key until there is a receipt."""
        for start in range(0, len(documents), size):
            some = documents[start : start + size]
            key = uuid.uuid4().hex
            letter = json.dumps({"collection": COLLECTION, "key": key, "documents": some})
            while not self._has_receipt(key):
                try:
                    with redis.Redis.from_url(self._broker_url, socket_timeout=2) as client:
                        client.lpush("lamina.submit", letter)
                except redis.RedisError:
                    pass
                deadline = time.monotonic() + 3
                while time.monotonic() < deadline and not self._has_receipt(key):
                    time.sleep(0.05)
            self.ledger.acknowledge(*(one["id"] for one in some))

    def _has_receipt(self, key: str) -> bool:
        try:
            answer = httpx.get(f"{self.lamina.url}/api/v1/receipts/{key}", timeout=5)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK and answer.json()["status"] == "accepted"

    def _kill_all(self, kills: int) -> None:
        plan = [kind for kind in KINDS for _ in range(kills)]
        self._random.shuffle(plan)
        for kind in plan:
            time.sleep(self._random.uniform(0.3, 2.0))
            self._kill(kind)

    def _kill(self, kind: str) -> None:
        if kind == "index":
            pid = self._catch_at_work()
        else:
            pid = self._random.choice(self._wait_for(kind))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.report.kills[kind] += 1

    def _wait_for(self, kind: str) -> Sequence[int]:
        while not (pids := self.lamina.pids(kind)):
            time.sleep(0.05)
        return pids

    def _catch_at_work(self) -> int:
        """Stop workers again and again until one is at what is wanted; leave that one stopped."""
        wanted = "publish" if self.report.at["encode"] > self.report.at["publish"] else "encode"
        deadline = time.monotonic() + _CATCH_SECONDS
        while True:
            pid = self._random.choice(self._wait_for("index"))
            try:
                os.kill(pid, signal.SIGSTOP)
                doing = self._doing(pid)
                if doing == wanted or time.monotonic() > deadline:
                    self.report.at[doing] += 1
                    return pid
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue
            time.sleep(self._random.uniform(0.002, 0.02))

    def _doing(self, pid: int) -> str:
        """Ask the catalog: an active attempt is a publish, an active claim alone an encode."""
        query = text(
            "SELECT c.id, (SELECT count(*) FROM attempts a WHERE a.claim_id = c.id"
            " AND a.state = 'active') FROM claims c WHERE c.state = 'active' AND c.worker LIKE :who"
        )
        with self._catalog.read() as session:
            row = session.execute(query, {"who": f"%:{pid}"}).first()
        if row is None:
            return "idle"
        return "publish" if row[1] else "encode"

    def _search_sample(self) -> None:
        for part in self._parts:
            for document in part[:: max(1, len(part) // 10)]:
                answer = httpx.get(
                    f"{self.lamina.url}/api/v1/collections/{COLLECTION}/search",
                    params={"q": document["title"], "k": 5},
                    timeout=30,
                ).json()
                self.report.searches += 1
                self.report.found += document["id"] in [hit["id"] for hit in answer["hits"]]


def run_storm(folder: Path, documents: Sequence[dict[str, str]], kills: int, seed: int) -> Report:
    """Start a Lamina in *folder*, let the storm go over it, and return what happened."""
    environment = {"LAMINA_ENCODING_LEASE_SECONDS": "6", "LAMINA_ENCODING_MAX_CRASHES": "8"}
    with RunningLamina(folder, environment) as lamina:
        httpx.post(
            f"{lamina.url}/api/v1/collections",
            json={"name": COLLECTION, "chunking": {"mode": "none"}},
        ).raise_for_status()
        return Storm(lamina, documents, seed).run(kills)


def main() -> None:
    """Run a storm on SciFact and print its report."""
    parser = argparse.ArgumentParser(prog="./run storm", description=__doc__)
    parser.add_argument("--documents", type=int, default=5183)
    parser.add_argument("--kills", type=int, default=6, help="of each kind (default 6)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        report = run_storm(
            Path(folder) / "var", scifact_documents(options.documents), options.kills, options.seed
        )
    assert report.verdict
    summary = {**asdict(report), "kills": dict(report.kills), "at": dict(report.at)}
    print(json.dumps(summary, indent=2))
    report.verdict.check()
    assert report.found == report.searches


if __name__ == "__main__":
    main()
