"""A real worker process of one role, in its own data folder, that a test may kill."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.command_line import Forked

ROOT = Path(__file__).resolve().parents[1]


class WorkerProcess:
    """`python -m workers ROLE`, with its log in a file."""

    def __init__(self, role: str, data_dir: Path, broker_url: str = "", **environment: str) -> None:
        self.log = data_dir / f"{role}-{time.monotonic_ns()}.log"
        self._arguments = ["workers", role]
        self._environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "LAMINA_DATA_DIR": str(data_dir),
            "LAMINA_BROKER_URL": broker_url,
            **environment,
        }
        self._process: Forked | None = None

    def start(self, *more: str, pass_fds: tuple[int, ...] = ()) -> Self:
        with self.log.open("ab") as log:
            self._process = Forked(
                [*self._arguments, *more],
                environment=self._environment,
                folder=ROOT,
                streams=(0, log.fileno(), log.fileno()),
                keep=pass_fds,
            )
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def rest(self) -> None:
        """Wait for its end, but not for long."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> None:
        wait_until(lambda: '"ready"' in self.said or self.ended, seconds=100)
        assert not self.ended, self.said

    @property
    def ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    @property
    def resident_bytes(self) -> int:
        """Memory that it has now (Linux)."""
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def send(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)

    def wait(self, seconds: float = 30.0) -> int:
        """Wait for its end; return the exit code, negative for a signal."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.wait()

    def __enter__(self) -> Self:
        return self.start() if self._process is None else self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and not self.ended:
            self._process.kill()
            self._process.wait(30)


def wait_until(happened: Callable[[], object], seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
