"""A whole Lamina, started as a user does, on free ports and in a folder of its own.

    with RunningLamina(tmp_path / "var") as lamina:
        httpx.get(f"{lamina.url}/readyz")

Leaving the block stops it and asserts that no process is left.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from shared.cli import guard
from shared.encoder import ModelStore, pull
from shared.settings import DEFAULT_ENCODER
from tests.command_line import run_command

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 150.0  # the machines are slow at times, and torch is imported three times
STOP_SECONDS = 90.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `httpx.get` and the like, which else read all certificates for each request: 60 ms."""


def free_port() -> int:
    """Return a port of loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RunningLamina:
    """`lamina up` and its children. `environment` adds settings; folder and ports outlive it."""

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str] | None = None,
        *,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Take a folder; a start, or one process's, may take *start_seconds*."""
        self.data_dir = data_dir.absolute()
        self._start_seconds = start_seconds
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")
        } | {
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "",
            "LAMINA_DATA_DIR": str(self.data_dir),
            "LAMINA_PORT": str(free_port()),
            "LAMINA_BROKER_PORT": str(free_port()),
            "LAMINA_START_SECONDS": str(start_seconds),
            **(environment or {}),
        }
        self._terminal = self.data_dir.parent / f"{self.data_dir.name}.terminal"
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end_by_force()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind:
            self.end_by_force()
            return
        if self._process is not None:
            self.stop()

    # --- what it is ---------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the pages and the API are."""
        return f"http://127.0.0.1:{self.environment['LAMINA_PORT']}"

    @property
    def broker_url(self) -> str:
        """Where other apps push, as `lamina broker-url` prints it."""
        return self.run("broker-url").stdout.strip()

    @property
    def catalog_url(self) -> str:
        """SQLAlchemy address of its catalog."""
        return self.environment.get(
            "LAMINA_DATABASE_URL", f"sqlite:///{self.data_dir / 'catalog.db'}"
        )

    @property
    def terminal(self) -> str:
        """What `lamina up` has printed."""
        return self._terminal.read_text(encoding="utf-8", errors="replace")

    @property
    def supervisor_pid(self) -> int:
        """The process that `start` started."""
        assert self._process is not None
        return self._process.pid

    def state(self) -> dict[str, Any]:
        """Return what `run.json` says."""
        found: dict[str, Any] = json.loads((self.data_dir / "run.json").read_text("utf-8"))
        return found

    def pids(self, role: str) -> Sequence[int]:
        """Return the living processes of a role: broker, intake, upkeep, index or web."""
        try:
            processes = self.state()["processes"]
        except FileNotFoundError:  # it starts, or does not run
            return []
        pids = [one["pid"] for one in processes if one["role"] == role]
        return [pid for pid in pids if pid is not None and _is_alive(pid)]

    def processes(self) -> list[psutil.Process]:
        """Return every living process of this Lamina, orphans too.

        All of them hold the folder's lock file open; those seen before count in any case.
        """
        lock = str(self.data_dir / "lock")
        for process in psutil.process_iter():
            try:
                if any(file.path == lock for file in process.open_files()):
                    self._seen.add(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return [process for process in self._seen if _is_alive(process.pid, process)]

    # --- what can be done to it ---------------------------------------------------------

    def run(
        self, *arguments: str, stdin: bytes = b"", seconds: float = 100.0
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of the command line against it, for at most so long."""
        return run_command(
            *arguments,
            environment=self.environment,
            folder=self.data_dir.parent,
            stdin=stdin,
            seconds=seconds,
        )

    def succeed(self, *arguments: str, stdin: bytes = b"") -> Any:
        """Run a command that must succeed; return what its --json says."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *, wait: bool = True) -> None:
        """Start it, with the default model in place, and wait until it is ready."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        install_default_model(self.data_dir)
        with self._terminal.open("wb") as terminal:
            self._process = subprocess.Popen(
                [*dying_with_us(), sys.executable, "-P", "-m", "shared.cli", "up"],
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.data_dir.parent,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it says so, and web says so too."""
        deadline = time.monotonic() + self._start_seconds
        while "Lamina is ready" not in self.terminal or not self._answers():
            self._assert_runs(deadline)
            time.sleep(0.05)
        self.processes()

    def _answers(self) -> bool:
        try:
            return httpx.get(
                f"{self.url}/readyz", timeout=10, trust_env=False, verify=NO_TLS
            ).is_success
        except httpx.TransportError:
            return False

    def _assert_runs(self, deadline: float) -> None:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"it ended with {code}:\n{self.terminal}"
        assert time.monotonic() < deadline, f"it is not ready:\n{self.terminal}"

    def kill(self, role: str, *, place: int = 0) -> int:
        """SIGKILL one process of a role; return its pid."""
        self.processes()
        pid = self.pids(role)[place]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_another(self, role: str, pid: int) -> int:
        """Wait until a role has a process that is not *pid* and is ready; return its pid."""
        deadline = time.monotonic() + self._start_seconds
        while not (found := [one for one in self.pids(role) if one != pid]):
            self._assert_runs(deadline)
            time.sleep(0.05)
        while not self._answers():
            self._assert_runs(deadline)
            time.sleep(0.05)
        return found[0]

    def kill_supervisor(self) -> None:
        """SIGKILL `lamina up` itself."""
        assert self._process is not None
        self.processes()
        self._process.kill()
        self._process.wait()
        self._process = None

    def wait_until_gone(self, seconds: float) -> None:
        """Assert that no process is left after at most *seconds*."""
        deadline = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < deadline, f"left over: {left}"
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as a user would; assert that nothing is left; return the exit code."""
        assert self._process is not None
        self.processes()
        self._process.send_signal(number)
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.end_by_force()
            raise
        self._process = None
        left = self.processes()
        assert left == [], f"left over: {left}\n{self.terminal}"
        return code

    def end_by_force(self) -> None:
        """Kill whatever there is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for process in self.processes():
            process.kill()


def dying_with_us() -> Sequence[str]:
    """Return the beginning of a command line that ends when this process is killed."""
    if sys.platform != "linux":  # there the guard would stay and have the pid that tests kill
        return []
    return [sys.executable, "-I", "-S", str(guard.__file__), str(os.getpid()), "0"]


def install_default_model(data_dir: Path) -> None:
    """Put the default model into a data folder; it is fetched once for all tests."""
    cache = ROOT / "var" / "test-models"
    pull(DEFAULT_ENCODER, ModelStore(cache, pass_tokens=2000, loaded=1))
    target = data_dir / "models"
    if not target.exists():
        shutil.copytree(cache, target, ignore=shutil.ignore_patterns(".*"))


def _is_alive(pid: int, process: psutil.Process | None = None) -> bool:
    try:
        found = process or psutil.Process(pid)
        return found.is_running() and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
