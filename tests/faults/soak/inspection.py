"""What is looked at when a soak is over and all is quiet."""

import random
import time
from collections.abc import Mapping
from typing import Any

import httpx
from sqlalchemy import text

from shared.catalog import Database
from shared.index import FolderIndexStore
from tests.faults.ledger import Ledger, Verdict, gather
from tests.faults.soak.figures import Figures
from tests.running import RunningLamina

_SETTLE_SECONDS = 30.0
_FSCK_SECONDS = 900.0
_FSCK_SAMPLE = 50
_SAMPLE = 200
_QUERY_CHARACTERS = 8000


class Inspection:
    """Judges a running Lamina by the ledgers of its collections."""

    def __init__(
        self, lamina: RunningLamina, ledgers: Mapping[str, Ledger], figures: Figures
    ) -> None:
        self._lamina = lamina
        self._ledgers = ledgers
        self._figures = figures
        self._database = Database(lamina.catalog_url)
        self._store = FolderIndexStore(lamina.data_dir / "index")

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def settle(self) -> None:
        """Wait until no claim is open: a worker closes its claim after it has published."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._count(_ACTIVE_CLAIMS) and time.monotonic() < deadline:
            time.sleep(0.1)

    def search_sample(self, collection: str, seed: str) -> None:
        """Search for live documents by their own words; each must be found."""
        live = gather(self._database, self._store, collection).live
        sample = random.Random(f"{seed}/sample").sample(live, min(_SAMPLE, len(live)))
        path = f"/api/v1/collections/{collection}/search"
        with httpx.Client(base_url=self._lamina.url, timeout=60, trust_env=False) as http:
            for one in sample:
                words = f"{one.title}\n\n{one.passage}"[:_QUERY_CHARACTERS]
                answer = http.get(path, params={"q": words, "k": 10})
                self._figures.count("sampled", collection)
                if not answer.is_success or one.id not in _ids(answer.json()):
                    self._figures.fault(f"{one.id} is live, and its own words do not find it")

    def check_files(self) -> None:
        """Run `lamina fsck`; it must find nothing."""
        done = self._lamina.run("fsck", "--sample", str(_FSCK_SAMPLE), seconds=_FSCK_SECONDS)
        if done.returncode:
            self._figures.fault(f"fsck ended with {done.returncode}: {done.stdout}{done.stderr}")

    def judge(self) -> dict[str, Verdict]:
        """Return the verdict of each collection."""
        return {
            name: ledger.judge(self._database, self._store, name)
            for name, ledger in self._ledgers.items()
        }

    def merges(self) -> int:
        """Return how many versions are merges."""
        return self._count(_MERGES)

    def _count(self, query: Any) -> int:
        with self._database.read() as tx:
            return int(tx.scalar(query) or 0)


_ACTIVE_CLAIMS = text("SELECT count(*) FROM claims WHERE state = 'active'")
_MERGES = text("SELECT count(*) FROM versions WHERE kind = 'merge'")


def _ids(answer: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]
