"""Many writers at once, and what they were told: each submission with the revisions it became."""

import random
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

from shared.errors import DocumentNotFound, Retryable
from shared.indexing.bench import Bench
from shared.indexing.pace import Pace
from shared.indexing.turns import index_next
from shared.ingest import deletion, submit
from tests.worlds import World

SHARED = 6
"""Documents that all writers change."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One document that Lamina said it has."""

    job: str
    name: str
    text: str | None
    """None where it shall be deleted."""


class Crowd:
    """Threads of which the first fault is raised at the end."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._faults: list[BaseException] = []
        self._working: list[threading.Thread] = []
        self._repeating: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for those who work to an end, end the others, and raise what went wrong."""
        for thread in self._working:
            thread.join(400)
        self._over.set()
        for thread in self._repeating:
            thread.join(60)
        stuck = [one.name for one in (*self._working, *self._repeating) if one.is_alive()]
        assert not stuck, f"[crowd] {stuck} do not end"
        for fault in self._faults:
            raise fault

    def do(self, act: Callable[[], None], name: str) -> None:
        """Do something once, to its end."""
        self._start(self._working, act, name)

    def repeat(self, act: Callable[[], None], name: str, *, pause: float = 0.01) -> None:
        """Do something again and again until those who work are done."""

        def loop() -> None:
            while not self._over.wait(pause):
                act()

        self._start(self._repeating, loop, name)

    def _start(self, group: list[threading.Thread], act: Callable[[], None], name: str) -> None:
        def run() -> None:
            try:
                act()
            except BaseException as fault:  # noqa: BLE001 - raised at the end
                self._faults.append(fault)
                self._over.set()

        thread = threading.Thread(target=run, name=name, daemon=True)
        group.append(thread)
        thread.start()


def bench_of(world: World, name: str) -> Bench:
    """Return what a worker of its own works with; its claims are small, so that many race."""
    return replace(world.bench, worker=name, pace=Pace(seconds=2.0), max_documents=3)


def write(
    world: World, name: str, *, steps: int, acknowledge: Callable[[Acknowledged], None]
) -> None:
    """Add, change and delete documents, a bounded number of times, and index what waits.

    A turn that a fault of the moment ended (`Retryable`) gave its claim back: whoever comes next
    takes it.
    """
    dice = random.Random(name)
    bench = bench_of(world, name)
    for step in range(steps):
        shared = dice.randrange(SHARED)
        texts = {f"{name}-{step}": f"own {name} {step}", f"shared-{shared}": f"{name} {step}"}
        receipt = world.add(*({"id": one, "text": text} for one, text in texts.items()))
        for one, text in texts.items():
            acknowledge(Acknowledged(receipt.job_id, one, text))
        with suppress(Retryable):
            index_next(bench)
        if step % 3 == 2:
            gone = dice.choice([f"{name}-{step - 1}", f"shared-{shared}"])
            with suppress(DocumentNotFound):  # another writer, or a restore, was first
                job = submit(
                    world.inbox, world.bell, deletion(gone, collection="c", source="api")
                ).job_id
                acknowledge(Acknowledged(job, gone, None))
        with suppress(Retryable):
            index_next(bench)


def finish(world: World, workers: Iterable[str]) -> None:
    """Give back what the dead or fenced still hold, and index all that waits."""
    for worker in workers:
        world.claims.reap(worker=worker, max_crashes=10**6)
    world.index_all()
