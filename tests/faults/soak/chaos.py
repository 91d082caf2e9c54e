"""Faults, one after another in an order that a seed decides, each mended before the next.

Every kind is dealt once before any comes again, so a run of some length sees all of them.
"""

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress

import httpx
import psutil

from shared.catalog import Database
from tests.backends import Backend
from tests.clocks import set_ahead
from tests.faults.aim import Aim
from tests.faults.soak.figures import Figures
from tests.faults.soak.outages import Injection, Injections
from tests.running import RunningLamina

LEASE_SECONDS = 6.0
_REST_SECONDS = (3.0, 9.0)
_HOUR_SECONDS = 3600
_SMALL_BYTES = 4096
"""No file may grow beyond this while the disk is full; every one that matters is larger."""
_READY_SECONDS = 300.0
_STARTS = 3
_OWN = ("workers", "web")


class Chaos:
    """Injects faults into a running Lamina and what it stands on."""

    def __init__(
        self, lamina: RunningLamina, backend: Backend, figures: Figures, seed: str
    ) -> None:
        self.injections = Injections()
        self._lamina = lamina
        self._backend = backend
        self._figures = figures
        self._chance = random.Random(f"{seed}/chaos")
        self._catalog = Database(lamina.catalog_url)
        self.aim = Aim(lamina, self._catalog, self._chance)
        self.missing: list[str] = []
        """Faults that cannot be injected here, and why."""
        self._kinds = self._choose()

    def run(self, ended: threading.Event) -> None:
        """Inject until *ended*; everything is mended when this returns."""
        deck: list[str] = []
        while not ended.wait(self._chance.uniform(*_REST_SECONDS)):
            if not deck:
                deck = [*self._kinds, "kill index", "kill index"]
                self._chance.shuffle(deck)
            self.inject(deck.pop())

    def inject(self, kind: str) -> None:
        """Inject one fault, mend it, and wait until what it hit works again."""
        hurts = kind in ("kill web", "kill database", "kill everything", "kill supervisor")
        self._figures.count("faults", kind)
        with self.injections.during(kind, hurts_searches=hurts) as injection:
            self._kinds[kind](injection)

    def close(self) -> None:
        """Close the connections."""
        self._catalog.close()

    def _choose(self) -> Mapping[str, Callable[[Injection], None]]:
        """Return the faults that can be injected here, by name."""
        kinds: dict[str, Callable[[Injection], None]] = {
            "kill index": self._kill_index,
            "kill upkeep": lambda _: self._kill("upkeep"),
            "kill intake": lambda _: self._kill("intake"),
            "kill web": lambda _: self._kill("web"),
            "kill broker": self._kill_broker,
            "kill supervisor": lambda _: self._restart(self._lamina.kill_supervisor),
            "kill everything": lambda _: self._restart(self._lamina.end_by_force),
            "pause index": lambda _: self._pause("index"),
            "pause upkeep": lambda _: self._pause("upkeep"),
            "pause intake": lambda _: self._pause("intake"),
            "clock forward": lambda _: self._jump(_HOUR_SECONDS),
            "clock back": lambda _: self._jump(-_HOUR_SECONDS),
        }
        if self._backend.can_flush:
            kinds["flush broker"] = lambda _: self._backend.flush(self._lamina)
        if self._backend.postgres:
            kinds["kill database"] = self._kill_database
        else:
            kinds["lock database"] = self._lock_database
        if hasattr(psutil, "RLIMIT_FSIZE"):
            kinds["disk full"] = self._fill_disk
        else:
            self.missing.append("the full disk: only Linux limits the files of running processes")
        return kinds

    # --- processes ----------------------------------------------------------------------

    def _kill_index(self, injection: Injection) -> None:
        pid, injection.detail = self.aim.catch()
        os.kill(pid, signal.SIGKILL)
        self._lamina.wait_for_another("index", pid)

    def _kill(self, role: str) -> None:
        pid = self.aim.any(role)
        os.kill(pid, signal.SIGKILL)
        self._lamina.wait_for_another(role, pid)

    def _restart(self, kill: Callable[[], None]) -> None:
        """Kill the supervisor, or all that it started too; then start again as a user would.

        Again if it gives up: a machine that is busy with other things may be too slow for it.
        """
        kill()
        for left in reversed(range(_STARTS)):
            try:
                self._lamina.start()
            except AssertionError:
                if not left:
                    raise
                self._figures.count("slow starts", "of Lamina")
                self._lamina.end_by_force()
            else:
                return

    def _pause(self, role: str) -> None:
        """Stop a process for longer than its lease, then let it go on as if nothing was."""
        pid = self.aim.any(role)
        with suppress(ProcessLookupError):  # it may have ended meanwhile
            os.kill(pid, signal.SIGSTOP)
            time.sleep(LEASE_SECONDS * self._chance.uniform(1.2, 1.8))
            os.kill(pid, signal.SIGCONT)

    # --- servers ------------------------------------------------------------------------

    def _kill_broker(self, _: Injection) -> None:
        self._backend.kill_broker(self._lamina)
        time.sleep(self._chance.uniform(0.5, 4))
        self._backend.start_broker(self._lamina)

    def _kill_database(self, _: Injection) -> None:
        assert self._backend.postgres is not None
        self._backend.postgres.kill()
        time.sleep(self._chance.uniform(0.5, 5))
        self._backend.postgres.restart()
        self._wait_until_ready()

    def _lock_database(self, injection: Injection) -> None:
        """Hold SQLite's only lock for writers, as another program would."""
        seconds = self._chance.uniform(2, 8)
        injection.detail = f"{seconds:.1f} s"
        path = self._lamina.data_dir / "catalog.db"
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    # --- the machine --------------------------------------------------------------------

    def _jump(self, seconds: int) -> None:
        """Let the catalog's clock jump, stay there for longer than a lease, and jump back."""
        set_ahead(self._catalog, seconds)
        time.sleep(LEASE_SECONDS * self._chance.uniform(1.2, 1.8))
        set_ahead(self._catalog, 0)

    def _fill_disk(self, injection: Injection) -> None:
        """Let no file of Lamina's own processes grow, logs included.

        With a limit on the size of files, set in the running processes: a real full disk needs a
        file system of its own, which only root can mount. What fails is the same write, with
        EFBIG in place of ENOSPC. The broker's file and PostgreSQL's are not limited.
        """
        seconds = self._chance.uniform(2, 8)
        injection.detail = f"{seconds:.1f} s"
        processes = [one for one in self._lamina.processes() if _is_own(one)]
        for process in processes:
            _limit(process, _SMALL_BYTES)
        time.sleep(seconds)
        for process in processes:
            _limit(process, psutil.RLIM_INFINITY)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                answer = httpx.get(f"{self._lamina.url}/readyz", timeout=5, trust_env=False)
                if answer.is_success:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"Lamina was not ready {_READY_SECONDS:.0f} s after a fault was mended.")


def _is_own(process: psutil.Process) -> bool:
    """Whether it is a worker or the web process: not the supervisor, not the broker."""
    try:
        return any(word in _OWN for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def _limit(process: psutil.Process, size: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
