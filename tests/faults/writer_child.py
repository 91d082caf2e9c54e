"""A process of four writers: `python -m tests.faults.writer_child FOLDER URL NAME STEPS`.

Prints a line of JSON for every document that was acknowledged. With STEPS 0 it takes one claim,
stops itself (SIGSTOP) when the segment is written, and goes on when it is woken.
"""

import json
import os
import signal
import sys
import threading
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from shared.domain import Attempt, Ids, Metric, Segment, Vectors
from shared.index import FolderIndexStore
from shared.indexing.turns import index_next
from tests.faults.crowd import Acknowledged, Crowd, bench_of, write
from tests.worlds import World

WRITERS = 4
LEASE_SECONDS = 1.0
"""Of the claim of one that stands still: it renews it until then."""


class Stopped(FolderIndexStore):
    """An index store whose process stands still once a segment is written."""

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: Vectors
    ) -> Segment:
        segment = super().write_segment(
            attempt, space_id=space_id, metric=metric, ids=ids, vectors=vectors
        )
        os.kill(os.getpid(), signal.SIGSTOP)
        return segment


def pause(world: World, name: str) -> None:
    """Take a claim, stand still in the middle of it, and tell how it ended."""
    store = Stopped(world.folder / "index")
    bench = replace(bench_of(world, name), store=store, lease_seconds=LEASE_SECONDS)
    record = index_next(bench)
    print(record.closed_by if record else "nothing to do", flush=True)


def race(world: World, name: str, steps: int) -> None:
    """Let the writers of this process race with all others."""
    lock = threading.Lock()

    def acknowledge(one: Acknowledged) -> None:
        with lock:
            print(json.dumps(asdict(one)), flush=True)

    with Crowd() as crowd:
        for number in range(WRITERS):
            mine = f"{name}.{number}"
            crowd.do(partial(write, world, mine, steps=steps, acknowledge=acknowledge), mine)


def main(folder: str, url: str, name: str, steps: str) -> None:
    """Write into the world of *folder*, whose catalog is at *url*."""
    with World.open(Path(folder), database_url=url) as world:
        if int(steps):
            race(world, name, int(steps))
        else:
            pause(world, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
