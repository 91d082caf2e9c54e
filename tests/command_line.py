"""A program of ours in a process of its own, without the seconds that importing it takes.

One process imports what most need and waits; each program is a fork of it that was given its own
streams, folder, environment and arguments. It has imported torch and
faiss but never run them, so it may fork.

    done = run_command("status", "--json", environment=…, folder=tmp_path)
    died = run_module("tests.faults.crash_child", str(folder), point)
"""

import atexit
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
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

_ROOT = Path(__file__).resolve().parents[1]
_STREAMS = 3
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
    environment = os.environ if environment is None else environment
    request = {"words": words, "environment": dict(environment), "folder": str(folder)}
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line,
    ):
        given.write(stdin)
        given.seek(0)
        line.connect(_server())
        descriptors = [stream.fileno() for stream in (given, out, err)]
        socket.send_fds(line, [json.dumps(request).encode()], descriptors)
        pid = int(line.recv(32))
        line.settimeout(seconds)
        try:
            code = int(line.recv(32))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, seconds) from None
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read().decode(), err.read().decode())


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
    raw, descriptors, _flags, _peer = socket.recv_fds(line, _REQUEST_BYTES, _STREAMS)
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
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = request["words"]
    runpy.run_module(sys.argv[0], run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    _serve(sys.argv[1])
