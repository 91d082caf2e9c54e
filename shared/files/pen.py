"""Where files are read: a child process that is watched, and replaced when it misbehaves."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from shared.domain import (
    Columns,
    FileFault,
    FileIssue,
    FileKind,
    FileMember,
    FileOrder,
    FilePart,
    FileReading,
    Json,
    PlaceKind,
)
from shared.errors import Busy, FileRefused, IndexUnavailable
from shared.files.limits import FileLimits

log = structlog.get_logger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(_ROOT),
    "OPENBLAS_NUM_THREADS": "1",  # each thread would take memory from the limit
}
"""All that the child gets: no key, no address of a database."""
_ORDERS = 100
"""Files that one child reads: libraries may leak."""
_BLOCK = 1 << 16
_LINE_FACTOR = 8
"""Bytes that a character may take in a line: `\\uXXXX` are six, and quotes take some."""
_LINE_FREE = 1 << 20


class Pen:
    """Reads files in a child process; the port `FileReader`. One thread reads at a time."""

    def __init__(self, limits: FileLimits) -> None:
        """Start nothing yet."""
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._orders = 0
        self._closed = False
        """It was closed while it may have been reading."""
        self._reading = False

    def read(
        self, path: Path, order: FileOrder, *, scratch: Path
    ) -> Iterator[FilePart | FileMember | FileReading]:
        """Yield what is in a file: its documents or, of an archive, its members; a reading last.

        Raises:
            FileRefused: it cannot be read, or not any further; why.
            IndexUnavailable: nor could another one: the disk is full, or fails.
            Busy: `close` was called meanwhile, by another thread.
        """
        child = self._ready()
        line: dict[str, Json] = {
            "path": str(path),
            "name": order.name,
            "columns": {
                "id": order.columns.id,
                "title": order.columns.title,
                "text": list(order.columns.text),
            },
            "in_archive": order.in_archive,
            "most": order.most,
            "scratch": str(scratch),
            "limits": self._limits.dump(),
        }
        finished, self._reading = False, True
        try:
            self._send(child, line)
            for answer in self._lines(child):
                if "refused" in answer:
                    finished = True
                    raise _refusal(answer["refused"])
                if "trouble" in answer:
                    finished = True
                    raise IndexUnavailable(f"Files cannot be read here: {answer['trouble']}.")
                if "end" in answer:
                    finished = True
                    yield _reading(answer["end"])
                    return
                yield _member(answer["member"]) if "member" in answer else _part(answer["part"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            finished = False
            raise FileRefused(
                "The program that reads files answered nonsense.", fault=FileFault.CRASHED
            ) from error
        finally:
            self._reading = False
            if not finished:  # it is in the midst of something, or gone
                self.close()
                _shut(child)

    def close(self) -> None:
        """End the child, whatever it does; safe from another thread than the one that reads."""
        self._closed = True
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        if not self._reading:  # else whoever reads does, who is at them
            _shut(child)

    def _ready(self) -> "subprocess.Popen[bytes]":
        """Return a child that waits for orders."""
        if self._orders >= _ORDERS or (self._child and self._child.poll() is not None):
            self.close()
        if self._child is None:
            self._orders = 0
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "shared.files.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # it may hold what was read
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        self._orders += 1
        self._closed = False
        return self._child

    def _send(self, child: "subprocess.Popen[bytes]", line: Mapping[str, Json]) -> None:
        assert child.stdin is not None  # noqa: S101 - it is a pipe
        try:
            child.stdin.write(json.dumps(line).encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError as error:
            raise self._death(child) from error

    def _lines(self, child: "subprocess.Popen[bytes]") -> Iterator[Mapping[str, Any]]:
        """Yield what the child answers; time counts only while it is waited for.

        Raises:
            FileRefused: it took too long, died, or wrote a line that is too long.
        """
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        left, held = self._limits.wall_seconds, bytearray()
        most = _LINE_FREE + _LINE_FACTOR * self._limits.text_characters
        descriptor = child.stdout.fileno()
        poll = select.poll()  # not select(), which knows no descriptor above 1,023
        poll.register(descriptor, select.POLLIN)
        while True:
            began = time.monotonic()
            ready = poll.poll(max(0.0, left) * 1000)
            block = os.read(descriptor, _BLOCK) if ready else None
            left -= time.monotonic() - began
            if block is None:
                raise FileRefused(
                    f"Reading it took more than {self._limits.wall_seconds:g} seconds "
                    "(LAMINA_FILES_SECONDS).",
                    fault=FileFault.TIMEOUT,
                )
            if not block:
                raise self._death(child)
            *ends, rest = block.split(b"\n")
            for end in ends:
                held += end
                yield json.loads(held)
                held.clear()
            held += rest
            if len(held) > most:
                raise FileRefused("It holds too much text.", fault=FileFault.TOO_MUCH_TEXT)

    def _death(self, child: "subprocess.Popen[bytes]") -> FileRefused | Busy:
        """Return why a child that is gone could not read its file."""
        code = child.wait()
        if self._closed:
            return Busy("The process that reads files was told to end.")
        log.warning("file_reader_died", code=code)
        if code == -signal.SIGXCPU:
            return FileRefused(
                f"Reading it takes more than {self._limits.cpu_seconds} seconds of a processor "
                "(LAMINA_FILES_CPU_SECONDS).",
                fault=FileFault.TIMEOUT,
            )
        if code == -signal.SIGKILL:
            return FileRefused(
                "What read it was killed, as systems do when memory runs out.",
                fault=FileFault.MEMORY,
            )
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return FileRefused(f"What read it crashed ({how}).", fault=FileFault.CRASHED)


def _shut(child: "subprocess.Popen[bytes]") -> None:
    """Close the pipes of a child that is gone."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _refusal(said: Mapping[str, Any]) -> FileRefused:
    return FileRefused(str(said["words"])[:500], fault=FileFault(said["fault"]))


def _part(said: Mapping[str, Any]) -> FilePart:
    kind = said["place_kind"]
    return FilePart(
        document=dict(said["document"]),
        suffix=str(said["suffix"]),
        where=str(said["where"]),
        file_kind=FileKind(said["file_kind"]),
        place_kind=None if kind is None else PlaceKind(kind),
        marks=tuple((int(start), str(label)) for start, label in said["marks"]),
    )


def _member(said: Mapping[str, Any]) -> FileMember:
    if not str(said["place"]).isascii() or not str(said["place"]).isdigit():
        raise ValueError("a member lies outside its folder")
    return FileMember(name=str(said["name"]), place=str(said["place"]))


def _columns(said: Mapping[str, Any] | None) -> Columns | None:
    if said is None:
        return None
    text = tuple(map(str, said["text"]))
    return Columns(id=str(said["id"]), title=str(said["title"]), text=text)


def _reading(said: Mapping[str, Any]) -> FileReading:
    return FileReading(
        kind=FileKind(said["kind"]),
        encoding=said["encoding"],
        skipped=int(said["skipped"]),
        issues=tuple(
            FileIssue(where=str(one["where"]), detail=str(one["detail"])) for one in said["issues"]
        ),
        warnings=tuple(map(str, said["warnings"])),
        names=tuple(map(str, said["names"])),
        columns=_columns(said["columns"]),
    )
