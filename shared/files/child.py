"""`python -m shared.files.child`: read files that may be hostile, one order a line of stdin.

The answer is lines of JSON: `part` and `member` lines, and one `end`, `refused` or `trouble` line
an order; trouble is this machine's, not the file's.
This process has no secrets in its environment, limits on memory, and on the processor time of each
order; whoever started it watches the clock. It opens what it is told to read, and writes only into
the scratch folder of the order.
"""

import ctypes
import errno
import json
import logging
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from shared.domain import (
    Columns,
    FileFault,
    FileKind,
    FileMember,
    FilePart,
    Json,
)
from shared.errors import FileRefused
from shared.files.limits import FileLimits
from shared.files.sniffing import HEAD_BYTES, sniff
from shared.files.texts import Notes, Source

_OF_THE_MACHINE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS),
        *(errno.EIO, errno.ESTALE, errno.EACCES),
        *(errno.EMFILE, errno.ENFILE),
    }
)
"""What no file can be blamed for: no room, a disk that fails or is gone, nothing more to open."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, linux/prctl.h
_Reader = Callable[[Source], Iterator[FilePart]]


def main() -> None:
    """Answer orders until stdin ends."""
    _confine()
    for line in sys.stdin.buffer:
        order = json.loads(line)
        limits = FileLimits.load(order["limits"])
        _limit(limits)
        for answer in _answer(order, limits):
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _answer(order: Mapping[str, Any], limits: FileLimits) -> Iterator[dict[str, Json]]:
    notes = Notes(FileKind.TEXT)
    try:
        for one in _read(order, limits, notes):
            if isinstance(one, FileMember):
                yield {"member": asdict(one)}
            else:
                yield {"part": asdict(one)}
    except FileRefused as error:
        yield _refused(error.fault, error.detail, notes)
    except (MemoryError, RecursionError) as error:
        yield _refused(*_too_much(error, limits), notes)
    except Exception as error:  # noqa: BLE001 - a process boundary: whatever a library stumbles over
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            yield {"trouble": str(error.strerror)}
            return
        words = f"It cannot be read: {type(error).__name__}: {error}"[:300]
        yield _refused(FileFault.DAMAGED, words, notes)
    else:
        yield {"end": asdict(notes.reading())}


def _read(
    order: Mapping[str, Any], limits: FileLimits, notes: Notes
) -> Iterator[FilePart | FileMember]:
    raw = Path(order["path"]).read_bytes()
    kind = sniff(raw[:HEAD_BYTES], order["name"])
    if kind is FileKind.ZIP:
        from shared.files import archives  # noqa: PLC0415 - most orders need none of the others

        kind = archives.kind_of(raw)
    notes.kind = kind
    said = order["columns"]
    columns = Columns(id=said["id"], title=said["title"], text=tuple(said["text"]))
    source = Source(name=order["name"], raw=raw, columns=columns, limits=limits, notes=notes)
    if kind is not FileKind.ZIP:
        yield from islice(_reader(kind)(source), order["most"])
    elif order["in_archive"]:
        raise FileRefused("It is an archive in an archive.", fault=FileFault.NESTED)
    else:
        from shared.files import archives  # noqa: PLC0415

        yield from archives.unpack(source, Path(order["scratch"]))


def _reader(kind: FileKind) -> _Reader:
    """Return what reads a kind; each library is loaded when it is first needed."""
    from shared.files import plain, tables  # noqa: PLC0415

    if kind is FileKind.PDF:
        from shared.files.pdfs import read_pdf  # noqa: PLC0415

        return read_pdf
    if kind is FileKind.DOCX:
        from shared.files.docx_files import read_docx  # noqa: PLC0415

        return read_docx
    if kind is FileKind.HTML:
        from shared.files.web_pages import read_html  # noqa: PLC0415

        return read_html
    if kind is FileKind.MARKDOWN:
        return plain.read_markdown
    if kind is FileKind.JSONL:
        return tables.read_lines
    return tables.read_table if kind.tabular else plain.read_text


def _refused(fault: str, words: str, notes: Notes) -> dict[str, Json]:
    return {"refused": {"fault": str(fault), "words": words}, "end": asdict(notes.reading())}


def _too_much(error: MemoryError | RecursionError, limits: FileLimits) -> tuple[FileFault, str]:
    if isinstance(error, RecursionError):
        return FileFault.DAMAGED, "It is nested too deeply to be read."
    most = limits.memory_bytes
    return FileFault.MEMORY, f"Reading it takes more than {most:,} bytes of memory."


def _confine() -> None:
    """Never outlive the parent, leave no core, write no logs of what was read."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent ends this process
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def _limit(limits: FileLimits) -> None:
    """Give the next order its memory and its time of the processor."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.unpacked_bytes, limits.unpacked_bytes))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + limits.cpu_seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
