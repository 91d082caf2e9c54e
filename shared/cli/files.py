"""`lamina files`: files of people, handed over, followed, looked at first, had back."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.progress import bar
from shared.cli.terminal import (
    Exit,
    Failure,
    answer,
    answer_json,
    answer_table,
    complain,
    failures,
    states_in_words,
)
from shared.client import Client, Refused, Unreachable
from shared.client.replies import FileReply, FilesAcceptedReply, JobReply
from shared.words import counted, size

JSON_LINES = frozenset({".jsonl", ".ndjson", ".json", ".gz"})
"""Endings of what `lamina add` reads itself, line by line; all else is read by Lamina."""
_TOGETHER = 50
_TOGETHER_BYTES = 64 * 1024 * 1024
_LOOK_SECONDS = 0.25
_TRIES = 6
_BUSY_SECONDS = 3600.0
_SHOWN = 20

_Collection = Annotated[str, typer.Option("--collection", "-c", help="In which collection.")]


@dataclass(frozen=True, slots=True)
class Piece:
    """A file and what Lamina shall call it."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of tables are what; None and none to let Lamina guess."""

    id: str | None = None
    title: str | None = None
    text: Sequence[str] = ()


@dataclass(slots=True)
class FileTally:
    """What became of files."""

    accepted: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Name and reason."""
    jobs: list[str] = field(default_factory=list)
    done: list[JobReply] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Files that could not be read, and documents that failed."""
        of_jobs = (
            one["files"].get("failed", 0) + one["counts"].get("failed", 0) for one in self.done
        )
        return len(self.refused) + sum(of_jobs)


def is_for_lamina(path: Path) -> bool:
    """Whether Lamina reads a path, not `lamina add` itself: a folder, or no JSON Lines."""
    return path != Path("-") and (path.is_dir() or path.suffix.lower() not in JSON_LINES)


def pieces(paths: Sequence[Path]) -> list[Piece]:
    """Return every file of *paths*, folders looked through; hidden ones are left out.

    Raises:
        Failure: a path is not there.
    """
    found: list[Piece] = []
    for path in paths:
        if path.is_dir():
            found += [
                Piece(f"{path.resolve().name}/{one.relative_to(path).as_posix()}", one)
                for one in sorted(path.rglob("*"))
                if one.is_file() and not _is_hidden(one.relative_to(path))
            ]
        elif path.is_file():
            found.append(Piece(path.name, path))
        else:
            raise Failure(f"{path}: there is no such file or folder.", Exit.USAGE)
    return found


def send(
    client: Client,
    collection: str,
    paths: Sequence[Path],
    *,
    lane: str,
    key: str | None,
    columns: Columns,
    wait: bool,
) -> FileTally:
    """Hand files over, some at a time, and wait until all of them can be found.

    Raises:
        Failure, Refused, Unreachable
    """
    tally, run = FileTally(), key or f"add-{uuid.uuid4().hex[:12]}"
    files = pieces(paths)
    with bar("sent") as step:
        done = 0
        for part in _batches(files):
            _take(tally, _hand_over(client, collection, part, lane, run, columns))
            done += len(part)
            step(done, len(files))
    if wait:
        with bar("read") as step:
            _wait(client, tally, step)
    return tally


def _wait(client: Client, tally: FileTally, step: Callable[[int, int], None]) -> None:
    """Follow the jobs until all of them are done."""
    read = 0
    for job in tally.jobs:
        while True:
            found = client.job(job)
            waiting = sum(found["files"].get(state, 0) for state in ("pending", "claimed"))
            files = sum(found["files"].values())
            step(read + files - waiting, max(tally.accepted, read + files))
            if found["finished"]:
                break
            time.sleep(_LOOK_SECONDS)
        read += files
        tally.done.append(found)


def report(tally: FileTally, *, waited: bool) -> None:
    """Say what became of files."""
    documents = sum(one["total"] for one in tally.done)
    done = f": {counted(documents, 'document')}" if waited else ""
    answer(f"{counted(tally.accepted, 'file')} accepted{done}")
    for one in tally.done:
        if one["counts"]:
            answer(f"  job {one['id']}: {states_in_words(one['counts'])}")
        for issue in one["errors"][:_SHOWN]:
            complain(f"{issue['document']}: {issue['message']}")
        for issue in one["warnings"][:_SHOWN]:
            answer(f"  {issue['document']}: {issue['message']}")
    for name, reason in tally.refused[:_SHOWN]:
        complain(f"{name}: {reason}")
    if len(tally.refused) > _SHOWN:
        complain(f"and {len(tally.refused) - _SHOWN:,} more were refused")


def described(tally: FileTally) -> dict[str, object]:
    """Return what became of files, as JSON."""
    return {
        "accepted": tally.accepted,
        "refused": [{"name": name, "error": reason} for name, reason in tally.refused],
        "jobs": tally.jobs,
        "documents": sum(one["total"] for one in tally.done),
        "errors": [issue for one in tally.done for issue in one["errors"]],
        "warnings": [issue for one in tally.done for issue in one["warnings"]],
        "failed": tally.failed,
    }


def list_files(
    job: Annotated[str, typer.Argument(help="Id of a job.")], *, json: AsJson = False
) -> None:
    r"""List the files of a job and what became of each.

    \b
    lamina files list 01a206c8573f1e320809f09b46e50dd5
    """
    with failures(), configuration.connect() as client:
        files = list(_files(client, job))
        if json:
            answer_json(files)
            return
        rows = [
            (
                one["name"],
                one["kind"] or "-",
                size(one["bytes"]),
                one["status"],
                one["documents"],
                one["error"] or "",
            )
            for one in files
        ]
        answer_table(("file", "kind", "size", "status", "documents", "error"), rows)


def preview_files(
    files: Annotated[list[Path], typer.Argument(help="Small files, at most 10.")],
    *,
    collection: _Collection = "default",
    id_column: Annotated[str | None, typer.Option(help="Of tables: the ids.")] = None,
    title_column: Annotated[str | None, typer.Option(help="Of tables: the titles.")] = None,
    text_column: Annotated[
        list[str] | None, typer.Option(help="Of tables: the texts; once or more.")
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Show the passages that files will become, without storing anything.

    \b
    lamina files preview report.pdf -c papers
    lamina files preview goods.csv --title-column name --text-column remark
    """
    columns = Columns(id=id_column, title=title_column, text=text_column or ())
    with failures(), configuration.connect() as client, ExitStack() as stack:
        opened = [(one.name, stack.enter_context(one.path.open("rb"))) for one in pieces(files)]
        found = client.preview_files(collection, opened, columns=_asked(columns))
        if json:
            answer_json(found)
            return
        for file in found["files"]:
            answer(f"{file['name']}: {file['detail'] or file['kind'] or 'too large to look into'}")
            for document in file["documents"]:
                title = document["title"] or document["id"]
                answer(f"  {title}: {counted(document['total'], 'passage')}")
                for passage in document["passages"]:
                    start = " ".join(passage["text"].split())[:60]
                    where = f"{passage['place']}, " if passage["place"] else ""
                    answer(f"    {where}{passage['tokens']} tokens: {start}")


def save_original(
    document: Annotated[str, typer.Argument(help="Id of a document.")],
    *,
    collection: _Collection = "default",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to.")] = None,
) -> None:
    r"""Save the file that a document was read from, if its collection keeps them.

    \b
    lamina files original reports/may.pdf -c papers -o may.pdf
    """
    with failures(), configuration.connect() as client:
        target = output or Path(document.rpartition("/")[2].partition("#")[0])
        if output is None and target.exists():
            raise Failure(f"{target} is there already; say where to with --output.", Exit.USAGE)
        content = client.original(collection, document)
        try:
            target.write_bytes(content)
        except OSError as error:
            raise Failure(f"{target}: {error.strerror or error}.", Exit.USAGE) from error
        answer(f"{target}: {size(len(content))}")


def _hand_over(
    client: Client,
    collection: str,
    part: Sequence[Piece],
    lane: str,
    run: str,
    columns: Columns,
) -> FilesAcceptedReply | list[tuple[str, str]]:
    """Send files until there is an answer; the same again is recognised by its key."""
    names = "\n".join(f"{one.name} {one.path.stat().st_size}" for one in part)
    key = f"{run}-{hashlib.sha256(names.encode()).hexdigest()[:32]}"
    began, tries = time.monotonic(), 0
    while True:
        with ExitStack() as stack:
            opened = [(one.name, stack.enter_context(one.path.open("rb"))) for one in part]
            try:
                return client.send_files(
                    collection, opened, key=key, lane=lane, columns=_asked(columns)
                )
            except Unreachable:
                if tries >= _TRIES:
                    raise
                wait = None
            except Refused as refused:
                if not refused.busy:
                    if not any(where.startswith("/files/") for where, _ in refused.faults):
                        raise
                    return [_refusal(part, *one) for one in refused.faults]
                if time.monotonic() - began > _BUSY_SECONDS:
                    raise
                wait = refused.retry_after_seconds
        tries += 1
        time.sleep(wait or min(5.0, 0.2 * 2**tries))


def _refusal(part: Sequence[Piece], pointer: str, detail: str) -> tuple[str, str]:
    place = pointer.rpartition("/")[2]
    name = part[int(place)].name if place.isdigit() and int(place) < len(part) else ""
    return name, detail.partition(": ")[2] or detail


def _take(tally: FileTally, reply: FilesAcceptedReply | list[tuple[str, str]]) -> None:
    if isinstance(reply, list):
        tally.refused += reply
        return
    tally.jobs.append(reply["job"]["id"])
    for one in reply["files"]:
        if one["accepted"]:
            tally.accepted += 1
        else:
            tally.refused.append((one["name"], one["detail"] or ""))


def _batches(files: Sequence[Piece]) -> Iterator[list[Piece]]:
    part: list[Piece] = []
    held = 0
    for one in files:
        size = one.path.stat().st_size
        if part and (len(part) == _TOGETHER or held + size > _TOGETHER_BYTES):
            yield part
            part, held = [], 0
        part.append(one)
        held += size
    if part:
        yield part


def _files(client: Client, job: str) -> Iterator[FileReply]:
    cursor: int | None = None
    while True:
        page = client.job_files(job, cursor=cursor)
        yield from page["files"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _asked(columns: Columns) -> dict[str, str | list[str]]:
    asked: dict[str, str | list[str]] = {}
    if columns.id is not None:
        asked["id_column"] = columns.id
    if columns.title is not None:
        asked["title_column"] = columns.title
    if columns.text:
        asked["text_column"] = list(columns.text)
    return asked


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
