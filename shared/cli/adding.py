"""`lamina add`: documents from files into a collection, until they can be found."""

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shared.cli import configuration, jsonlines
from shared.cli.files import Columns, described, is_for_lamina, report, send
from shared.cli.jsonlines import STDIN, BadLine, Extra, Line
from shared.cli.sending import Sender, batches
from shared.cli.terminal import (
    Exit,
    Failure,
    answer,
    answer_json,
    complain,
    err,
    failures,
    say,
    states_in_words,
)
from shared.cli.waiting import Tally, Tracker
from shared.words import about

_LOOK_SECONDS = 0.25
_LONG_PAUSE_SECONDS = 3.0  # worth a word where no bar shows it
_SHOWN = 10
_TOLD = 100  # a job tells its first errors and warnings, at most so many of each


class LaneName(StrEnum):
    """Who goes first."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(slots=True)
class _Load:
    """One `add` under way."""

    files: Sequence[Path]
    extra: Extra
    skip_bad: bool
    total: int | None = None
    """Documents in all files; unknown when one is stdin."""
    skipped: list[BadLine] = field(default_factory=list)

    def check(self) -> None:
        """Read all files once, so that a bad line stops the load before it begins.

        Raises:
            BadLine: unless bad lines are skipped.
            Failure: a file cannot be read.
        """
        if STDIN in self.files:
            return
        self.total = 0
        for path in self.files:
            for line in jsonlines.read(path, self.extra):
                if isinstance(line, Line):
                    self.total += 1
                elif not self.skip_bad:
                    raise line

    def lines(self) -> Iterator[Line]:
        """Yield the documents; collect or raise what is none."""
        for path in self.files:
            for line in jsonlines.read(path, self.extra):
                if isinstance(line, Line):
                    yield line
                elif self.skip_bad:
                    self.skip(line)
                else:
                    raise line

    def skip(self, bad: BadLine) -> None:
        """Remember a document that was left out."""
        self.skipped.append(bad)
        if len(self.skipped) <= _SHOWN:
            complain(f"skipped {bad}")


def add(  # noqa: PLR0913 - one parameter an option
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON Lines (also .gz; - is stdin), any other files, or folders."),
    ],
    *,
    collection: Annotated[str, typer.Option("--collection", "-c", help="Where to.")] = "default",
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return once all is accepted.")
    ] = False,
    lane: Annotated[LaneName, typer.Option(help="bulk lets others go first.")] = LaneName.BULK,
    batch: Annotated[int, typer.Option(min=1, help="Documents in one request.")] = 500,
    key: Annotated[
        str | None, typer.Option(help="Begins the idempotency keys; same key: a repeat is none.")
    ] = None,
    extra: Annotated[Extra, typer.Option(help="Fields that are not known.")] = Extra.REFUSE,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad lines out instead of stopping.")
    ] = False,
    id_column: Annotated[str | None, typer.Option(help="Of tables: the ids.")] = None,
    title_column: Annotated[str | None, typer.Option(help="Of tables: the titles.")] = None,
    text_column: Annotated[
        list[str] | None, typer.Option(help="Of tables: the texts; once or more.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    r"""Add documents and wait until all of them can be found.

    A line is an object with `id` (or `_id`), `title`, `text` and `metadata`. An id that exists is
    replaced; content that is there already is not encoded again. Files are checked before
    anything is sent.

    Other files (PDF, Word, HTML, Markdown, text, CSV, TSV, ZIP) and folders of them are read by
    Lamina; a file is called as it is in its folder, and is replaced when it comes again.

    \b
    lamina add corpus.jsonl --collection papers
    zcat dump.gz | lamina add - -c papers --no-wait
    lamina add reports/ notes.pdf -c papers
    lamina add goods.csv --title-column name --text-column remark

    Exit codes: 0 all found, 1 documents failed, 2 bad input, 3 not reachable.
    """
    for_lamina = [path for path in files if is_for_lamina(path)]
    if for_lamina:
        if len(for_lamina) < len(files):
            with failures():
                raise Failure("Add JSON Lines and other files one after the other.", Exit.USAGE)
        columns = Columns(id=id_column, title=title_column, text=text_column or ())
        _add_files(
            files, collection, lane=lane, key=key, columns=columns, wait=not no_wait, json=json
        )
        return
    with failures():
        load = _Load(files, extra, skip_bad)
        load.check()
        with configuration.connect() as client:
            sender = Sender(
                client=client,
                collection=collection,
                lane=lane.value,
                run=key or f"add-{uuid.uuid4().hex[:12]}",
                skip_bad=load.skip if skip_bad else None,
            )
            tally = _run(load, sender, Tracker(client, collection), size=batch, wait=not no_wait)
        _report(tally, load, waited=not no_wait, as_json=json)
        if tally.failed:
            raise SystemExit(Exit.FAILED)


def _add_files(
    paths: Sequence[Path],
    collection: str,
    *,
    lane: LaneName,
    key: str | None,
    columns: Columns,
    wait: bool,
    json: bool,
) -> None:
    """Let Lamina read files, and say what became of them."""
    with failures():
        with configuration.connect() as client:
            tally = send(
                client, collection, paths, lane=lane.value, key=key, columns=columns, wait=wait
            )
        if json:
            answer_json(described(tally))
        else:
            report(tally, waited=wait)
        if tally.failed:
            raise SystemExit(Exit.FAILED)


class _Watch:
    """Follows an `add` and shows how far it is."""

    def __init__(self, tracker: Tracker, total: int | None, *, follow: bool) -> None:
        self._tracker = tracker
        self._follow = follow
        self._started = self._looked = time.monotonic()
        self._told_of_pause = False
        self.bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=err,
            disable=not err.is_terminal,
        )
        self._sent = self.bar.add_task("sent", total=total, note="")
        self._found = self.bar.add_task("searchable", total=total, note="", visible=follow)

    def look(self) -> None:
        """Ask how far the jobs are, unless that was asked just now, and show it."""
        if self._follow and time.monotonic() - self._looked > _LOOK_SECONDS:
            self._tracker.look()
            self._looked = time.monotonic()
        self.bar.update(self._sent, completed=self._tracker.tally.accepted)
        self.bar.update(self._found, completed=self._tracker.settled, note=self._speed())

    def rest(self, seconds: float) -> None:
        """Wait until Lamina may take more, and say so."""
        if seconds > _LONG_PAUSE_SECONDS and not self._told_of_pause and not err.is_terminal:
            say(f"Lamina takes nothing more just now; trying again in {about(seconds)}.")
            self._told_of_pause = True
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.bar.update(self._sent, note=f"waits, again in {about(left)}")
            self.look()
            time.sleep(min(_LOOK_SECONDS, left))
        self.bar.update(self._sent, note="")

    def finish(self) -> None:
        """Wait until everything is searchable, if that is wanted."""
        for task in (self._sent, self._found):
            self.bar.update(task, total=self._tracker.tally.accepted)
        while self._follow and self._tracker.waiting:
            self.look()
            if self._tracker.waiting:
                time.sleep(_LOOK_SECONDS)
        self.look()

    def _speed(self) -> str:
        speed = self._tracker.settled / max(time.monotonic() - self._started, 1e-3)
        left = self._tracker.eta_seconds
        return f"{speed:,.0f}/s" if left is None else f"{speed:,.0f}/s, {about(left)} left"


def _run(load: _Load, sender: Sender, tracker: Tracker, *, size: int, wait: bool) -> Tally:
    """Send everything, then wait for it."""
    watch = _Watch(tracker, load.total, follow=wait)
    patient = replace(sender, pause=watch.rest)
    with watch.bar:
        try:
            for part in batches(load.lines(), documents=size):
                for done in patient.send(part):
                    tracker.add(done.job_id, done.documents)
                watch.look()
        except Failure as failure:
            accepted = tracker.tally.accepted
            raise Failure(f"{failure}\n{accepted:,} documents were accepted.", failure.code) from (
                failure
            )
        watch.finish()
    return tracker.tally


def _report(tally: Tally, load: _Load, *, waited: bool, as_json: bool) -> None:
    if as_json:
        answer_json(
            {
                "accepted": tally.accepted,
                "waited": waited,
                "counts": dict(tally.counts),
                "failed": tally.failed,
                "skipped": [{"where": bad.where, "error": bad.what} for bad in load.skipped],
                "errors": tally.errors,
                "warnings": tally.warnings,
            }
        )
        return
    done = f": {states_in_words(tally.counts)}" if waited else ""
    answer(f"{tally.accepted:,} accepted{done}")
    if load.skipped:
        answer(f"{len(load.skipped):,} skipped")
    for title, issues in (("failed", tally.errors), ("warnings", tally.warnings)):
        if issues:
            many = f"{len(issues):,} or more" if len(issues) >= _TOLD else f"{len(issues):,}"
            answer(f"{title}: {many}")
            for issue in issues[:_SHOWN]:
                answer(f"  {issue['document']}: {issue['message']}")
            if len(issues) > _SHOWN:
                answer("  and more; `lamina jobs ID` tells those of a job, the first 100")
