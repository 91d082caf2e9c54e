"""The processes that the supervisor starts, and when a dead one is started again."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.cli.deaths import LOOPING, Death

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_YOUNG_SECONDS = 10.0
"""One that dies younger than this is started more slowly each time."""
_LOG_BYTES = 20 * 1000 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a child runs."""

    name: str
    """Unique: `index-2`; also the name of its log."""
    role: str
    """`broker`, `intake`, `upkeep`, `index` or `web`."""
    command: Sequence[str]
    environment: Mapping[str, str]


def delay_seconds(young_deaths: int) -> float:
    """Return how long to wait before the next start, after dying young this often in a row."""
    if young_deaths <= 1:  # an accident, or a process that ended itself to be replaced
        return 0.0
    return min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** (young_deaths - 2))


class Child:
    """One process that is kept running.

    It has a process group of its own, so that a Ctrl-C reaches the supervisor alone and nothing
    that it started is left behind.
    """

    def __init__(self, program: Program, *, logs: Path, descriptors: Sequence[int]) -> None:
        self.program = program
        self.log = logs / f"{program.name}.log"
        self._descriptors = tuple(descriptors)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._young_deaths = 0
        self.next_start_at = 0.0
        """When to start it again, if it is dead; monotonic clock."""

    @property
    def pid(self) -> int | None:
        """The running process, or None."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; its output goes to its log, which is put aside when it is large."""
        rotate(self.log)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the supervisor's own list
                self.program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.program.environment,
                pass_fds=self._descriptors,
                process_group=0,
            )
        self._started_at = time.monotonic()

    @property
    def loops(self) -> bool:
        """Whether it dies again and again."""
        return self._young_deaths >= LOOPING

    @property
    def recovered(self) -> bool:
        """Whether it died in a loop and now lives again; said once."""
        if not self.loops or self._process is None or self._is_young():
            return False
        self._young_deaths = 0
        return True

    def find_death(self) -> Death | None:
        """Return how the process ended if it has since it was started; else None."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        pid = self._process.pid
        self._process = None
        _kill_group(pid)
        self._young_deaths = self._young_deaths + 1 if self._is_young() else 0
        self.next_start_at = time.monotonic() + delay_seconds(self._young_deaths)
        return Death(pid, code, self._young_deaths)

    def _is_young(self) -> bool:
        return time.monotonic() - self._started_at < _YOUNG_SECONDS

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it runs."""
        if self._process:
            self._process.terminate()

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End the process and whatever it started, now, and collect it."""
        if self._process:
            _kill_group(self._process.pid)
            self._process.wait()
            self._process = None


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: not permitted for zombies
        os.killpg(leader, signal.SIGKILL)


def rotate(log: Path) -> None:
    """Put a large log aside as `NAME.log.1`, replacing the one before."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
