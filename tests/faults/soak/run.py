"""One soak from its start to its report."""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from tests.backends import Backend, open_backend
from tests.faults.ledger import Ledger, Verdict, wait_until_quiet
from tests.faults.producers import ApiProducer, Document
from tests.faults.soak.chaos import LEASE_SECONDS, Chaos
from tests.faults.soak.clients import Clients, open_clients
from tests.faults.soak.figures import Figures, Percentiles
from tests.faults.soak.inspection import Inspection
from tests.faults.soak.memory import Footprint, MemoryWatch
from tests.faults.soak.outages import explain
from tests.faults.soak.readers import EDITIONS, Editor, Reader, Searcher, Witness
from tests.faults.soak.report import Report
from tests.faults.soak.stopwatch import Stopwatch
from tests.faults.soak.writers import Writer
from tests.running import RunningLamina

COLLECTION = "soak"
ENVIRONMENT = {
    "LAMINA_ENCODING_LEASE_SECONDS": str(LEASE_SECONDS),
    "LAMINA_MERGE_LEASE_SECONDS": str(LEASE_SECONDS),
    # A worker may be killed more often than this while it happens to hold the same document.
    "LAMINA_ENCODING_MAX_CRASHES": "50",
    "LAMINA_CLOCK_SKEWED": "true",
}
_PARTS = ("submitted", "acknowledged", "deletions", "cancels")
_SESSIONS = 2
_PROGRESS_SECONDS = 10.0
_JOIN_SECONDS = 400.0
_START_SECONDS = 600.0
_FIRST_SECONDS = 300.0
_QUIET_SECONDS = 600.0


class Runner(Protocol):
    """Someone who does something all the time."""

    def run(self, ended: threading.Event) -> None:
        """Do it until *ended*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a soak shall do."""

    minutes: float
    on: str
    seed: str
    folder: Path
    texts: Sequence[Document]


class Soak:
    """A running Lamina, the clients on it, and the chaos."""

    def __init__(self, plan: Plan, lamina: RunningLamina, backend: Backend) -> None:
        self._plan = plan
        self._lamina = lamina
        self._backend = backend
        self._figures = Figures()
        self._ledgers = {COLLECTION: Ledger(), EDITIONS: Ledger()}
        self._chaos = Chaos(lamina, backend, self._figures, plan.seed)
        self._sessions = [
            *(self._reader(f"reader {number}", COLLECTION) for number in range(_SESSIONS)),
            self._reader("witness", EDITIONS),
        ]
        self._began = 0.0

    def run(self) -> Report:
        """Put load on it under faults, wait for quiet, and look at everything."""
        self._create()
        memory = MemoryWatch(self._lamina)
        with (
            open_clients(self._lamina, self._backend, COLLECTION, self._plan.folder) as clients,
            closing(ApiProducer("editor", self._lamina.url, EDITIONS)) as producer,
        ):
            self._load(clients, Editor(producer, self._ledgers[EDITIONS], self._figures))
        with closing(Inspection(self._lamina, self._ledgers, self._figures)) as inspection:
            inspection.settle()
            inspection.search_sample(COLLECTION, self._plan.seed)
            inspection.check_files()
            verdicts = inspection.judge()
            merges = inspection.merges()
        self._chaos.close()
        return self._report(verdicts, merges, memory.close(), clients.missing)

    def _reader(self, name: str, collection: str) -> Reader:
        return Reader(name, self._lamina.url, collection, self._figures)

    def _create(self) -> None:
        for name in self._ledgers:
            httpx.post(
                f"{self._lamina.url}/api/v1/collections",
                json={"name": name, "chunking": {"mode": "none"}},
                timeout=60,
                trust_env=False,
            ).raise_for_status()

    # --- load and faults ----------------------------------------------------------------

    def _load(self, clients: Clients, editor: Editor) -> None:
        no_more_changes, no_more_searches, no_more_faults = (threading.Event() for _ in range(3))
        self._wait_for_first(editor.publish())
        stopwatch = Stopwatch(self._lamina.url, self._figures)
        searching = self._start(
            [
                *(
                    Searcher(one, self._ledgers[COLLECTION], self._figures, self._plan.seed)
                    for one in self._sessions[:_SESSIONS]
                ),
                Witness(self._sessions[-1], self._figures),
                stopwatch,
            ],
            no_more_searches,
        )
        writing = self._start([*self._writers(clients, stopwatch), editor], no_more_changes)
        self._began = time.monotonic()
        threading.Thread(target=self._watch, args=(no_more_faults,), daemon=True).start()
        # In this thread: on Linux a Lamina that it starts ends with the thread that started it.
        self._chaos.run(no_more_faults)
        no_more_changes.set()
        self._join(writing)
        wait_until_quiet(self._lamina.url, _QUIET_SECONDS)
        no_more_searches.set()
        self._join(searching)

    def _writers(self, clients: Clients, stopwatch: Stopwatch) -> list[Writer]:
        return [
            Writer(
                producer,
                habit,
                url=self._lamina.url,
                texts=self._plan.texts,
                ledger=self._ledgers[COLLECTION],
                figures=self._figures,
                stopwatch=stopwatch,
                seed=self._plan.seed,
            )
            for producer, habit in clients.producers
        ]

    def _start(self, runners: Sequence[Runner], ended: threading.Event) -> list[threading.Thread]:
        """Run each in a thread; what ends one unexpectedly is an invariant that is broken."""

        def guard(runner: Runner) -> None:
            try:
                runner.run(ended)
            except Exception as error:  # noqa: BLE001 - a broken client is reported, not hidden
                self._figures.fault(f"{type(runner).__name__} ended: {error!r}")

        threads = [
            threading.Thread(target=guard, args=(one,), name=type(one).__name__, daemon=True)
            for one in runners
        ]
        for thread in threads:
            thread.start()
        return threads

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._figures.fault(f"{thread.name} did not end")

    def _wait_for_first(self, job: str) -> None:
        """Wait until the first edition is there: index workers load their model until then."""
        deadline = time.monotonic() + _FIRST_SECONDS
        while True:
            answer = httpx.get(
                f"{self._lamina.url}/api/v1/collections/{EDITIONS}/search",
                params={"q": "edition", "after": job},
                timeout=60,
                trust_env=False,
            )
            answer.raise_for_status()
            if answer.json()["after"]["done"]:
                return
            assert time.monotonic() < deadline, answer.text

    def _watch(self, over: threading.Event) -> None:
        """Let the time pass, with a line of progress now and then; then say that it is over."""
        total = 60 * self._plan.minutes
        while (gone := time.monotonic() - self._began) < total:
            time.sleep(min(_PROGRESS_SECONDS, total - gone))
            say(
                f"{(time.monotonic() - self._began) / 60:5.1f} min: "
                f"{self._figures.total('acknowledged'):,} changes acknowledged, "
                f"{self._figures.counts('searches').get('answered', 0):,} searches, "
                f"{self._figures.total('faults')} faults, "
                f"{len(self._figures.faults)} invariants broken"
            )
        over.set()

    # --- the end ------------------------------------------------------------------------

    def _report(
        self,
        verdicts: Mapping[str, Verdict],
        merges: int,
        memory: Mapping[str, Footprint],
        missing: Sequence[str],
    ) -> Report:
        figures, injections = self._figures, self._chaos.injections
        undisturbed = [
            one.seconds
            for one in figures.waits
            if not injections.any_between(one.began, one.began + one.seconds)
        ]
        counts = {part: figures.counts(part) for part in _PARTS}
        outages = [outage for one in self._sessions for outage in one.outages.seen]
        return Report(
            seed=self._plan.seed,
            minutes=self._plan.minutes,
            backend=self._plan.on,
            load={
                name: {part: counts[part].get(name, 0) for part in _PARTS}
                for name in sorted(counts["submitted"])
            },
            faults=figures.counts("faults"),
            timeline=[one.since(self._began) for one in injections.all],
            struck=dict(self._chaos.aim.at),
            waits=Percentiles.of([one.seconds for one in figures.waits]),
            waits_undisturbed=Percentiles.of(undisturbed),
            searches=figures.counts("searches"),
            outages=explain(outages, injections.all),
            editions=figures.counts("editions"),
            sampled=figures.total("sampled"),
            versions=sum(one.versions for one in verdicts.values()),
            merges=merges,
            memory=memory,
            verdicts=verdicts,
            broken=figures.faults,
            skipped=[*missing, *self._chaos.missing],
        )


def say(line: str) -> None:
    """Tell the user how far it is."""
    print(f"soak: {line}", file=sys.stderr, flush=True)


def run_soak(plan: Plan) -> Report:
    """Start a Lamina, soak it, stop it, and return what was found."""
    with (
        open_backend(plan.on, plan.folder) as backend,
        RunningLamina(
            plan.folder / "var",
            {**ENVIRONMENT, **backend.environment},
            start_seconds=_START_SECONDS,
        ) as lamina,
    ):
        return Soak(plan, lamina, backend).run()
