"""Searches over HTTP-less Lamina while 1,000 vectors a second arrive in another process.

The reader follows heads and encodes its queries with the default model, as a web process does;
the writer and the merging process run at the priority of index workers.
"""

import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from shared.searching.batching import QueryBatcher
from tests.benchmarks.index.collection import Library
from tests.benchmarks.index.measuring import K, Spread
from tests.models import default_store

_PAUSE_SECONDS = 0.02


def busy_searches(folder: Path, dimension: int, seconds: float) -> dict[str, Any]:
    """Return the latency of searches, idle and while vectors arrive, and how many came."""
    store, card = default_store()
    library = Library.open(folder, dimension)
    queries = QueryBatcher(store)
    snapshots = library.services.snapshots
    collection = library.collection.id

    def search(number: int) -> float:
        started = time.perf_counter()
        ((vector, _),) = queries.encode(card.fingerprint, [f"what is known of subject {number}"])
        snapshots.newest(collection).snapshot.search(np.atleast_2d(vector), K)
        return 1000 * (time.perf_counter() - started)

    def for_seconds(amount: float) -> list[float]:
        until = time.monotonic() + amount
        taken: list[float] = []
        while time.monotonic() < until:
            taken.append(search(len(taken)))
            time.sleep(_PAUSE_SECONDS)
        return taken

    for number in range(20):
        search(number)
    idle = for_seconds(seconds / 2)
    before = library.documents_at_head()
    writer = _start("writing", str(folder), str(dimension), str(seconds + 2))
    merger = _start("merging", str(folder), str(seconds + 2))
    time.sleep(2)  # both import and open first
    busy = for_seconds(seconds)
    for process in (writer, merger):
        if process.wait() != 0:
            raise RuntimeError(f"A helper process ended with {process.returncode}.")
    after = library.documents_at_head()
    queries.close()
    library.close()
    return {
        "idle": asdict(Spread.of(idle)),
        "busy": asdict(Spread.of(busy)),
        "searches": len(busy),
        "vectors_per_second": (after - before) / (seconds + 2),
    }


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", f"tests.benchmarks.index.{module}", *arguments])
