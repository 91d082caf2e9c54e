"""A program of ours in a process of its own, without the seconds that importing it takes.

One process imports what most need and waits; each program is a fork of it that was given its own
streams, folder, environment and arguments. It has imported torch and
faiss but never run them, so it may fork.

    done = run_command("status", "--json", environment=…, folder=tmp_path)
    died = run_module("tests.faults.crash_child", str(folder), point)
    worker = Forked(["workers", "index"], environment=…, folder=…, streams=(0, log, log))
"""

import atexit
import fcntl
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

_ROOT = Path(__file__).resolve().parents[1]
_STREAMS = 3
_DESCRIPTORS = 16
_HIGH = 100
_REQUEST_BYTES = 1 << 20


def run_command(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path,
    stdin: bytes = b"",
    seconds: float = 100.0,
) -> "subprocess.CompletedProcess[str]":
    """Run `lamina ARGUMENTS`; see `run_module`."""
    return run_module(
        "shared.cli",
        *arguments,
        environment=environment,
        folder=folder,
        stdin=stdin,
        seconds=seconds,
    )


def run_module(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = _ROOT,
    stdin: bytes = b"",
    seconds: float = 100.0,
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m MODULE ARGUMENTS`; return its exit code and what it wrote.

    Raises:
        subprocess.TimeoutExpired: it took longer than *seconds*, and was killed.
    """
    words = [module, *arguments]
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        child = Forked(
            words,
            environment=os.environ if environment is None else environment,
            folder=folder,
            streams=(given.fileno(), out.fileno(), err.fileno()),
        )
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read().decode(), err.read().decode())


class Forked:
    """A program that runs; much of what `subprocess.Popen` offers."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        streams: tuple[int, int, int],
        keep: Sequence[int] = (),
    ) -> None:
        """Start `python -m WORDS`, which also has the descriptors *keep*, by their numbers."""
        self.args = list(words)
        self.returncode: int | None = None
        request = {
            "words": self.args,
            "environment": dict(environment),
            "folder": str(folder),
            "keep": list(keep),
        }
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect(_server())
        socket.send_fds(self._line, [json.dumps(request).encode()], [*streams, *keep])
        self.pid = int(self._line.recv(32))

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """Wait for its end, at most so many seconds; return the exit code.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by force."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], seconds)[0]:
            self.returncode = int(self._line.recv(32))
            self._line.close()
        return self.returncode


@cache
def _server() -> str:
    """Start the process that imports, once for this one; return its address."""
    folder = tempfile.mkdtemp(prefix="lamina-cli-")
    atexit.register(shutil.rmtree, folder)
    address = str(Path(folder) / "socket")
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.command_line", address],
        stdin=subprocess.PIPE,  # its end tells the server that this process is gone
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
        cwd=_ROOT,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    assert server.stdout.readline() == b"ready\n"
    atexit.register(server.wait)
    atexit.register(server.stdin.close)
    return address


def _serve(address: str) -> None:
    """Fork for each connection until standard input ends."""
    for module in ("shared.cli", "shared.encoder.loading", "tests.worlds"):
        import_module(module)  # which takes so long
    gc.freeze()  # its pages stay shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how the answering ones ended
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while _until_asked(listener):
            line, _peer = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(line)
            line.close()


def _until_asked(listener: socket.socket) -> bool:
    ready, _, _ = select.select([listener, sys.stdin], [], [])
    return sys.stdin not in ready


def _answer(line: socket.socket) -> None:
    """Be the parent of one command: tell its number, then how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    raw, descriptors, _flags, _peer = socket.recv_fds(line, _REQUEST_BYTES, _DESCRIPTORS)
    pid = os.fork()
    if pid == 0:
        line.close()
        _become(json.loads(raw), descriptors)
    line.send(b"%d" % pid)
    _pid, status = os.waitpid(pid, 0)
    line.send(b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Run the program as if this process had been started for it."""
    # Out of the way first: the number that one has may be the one that another shall have.
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, _HIGH) for one in descriptors]
    for one in descriptors:
        os.close(one)
    for number, descriptor in zip([*range(_STREAMS), *request["keep"]], high, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = request["words"]
    code = _run(sys.argv[0])
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # to take apart all that was imported costs more than most commands


def _run(module: str) -> int:
    """Run a module as a program; return its exit code."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    except BaseException:  # noqa: BLE001 - whatever would have ended the interpreter
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
