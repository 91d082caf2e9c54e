"""`lamina status`: what runs and what waits."""

from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.collections import print_collections
from shared.cli.options import AsJson
from shared.cli.terminal import (
    Failure,
    answer,
    answer_json,
    failures,
)
from shared.client.replies import ChoreReply, RunningRebuildReply, StatusReply
from shared.words import counted


def status(
    *,
    need: Annotated[
        list[str] | None,
        typer.Option(help="Fail unless such a process is alive: index, intake, upkeep, web."),
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Show which processes run, what waits, and the collections.

    \b
    lamina status
    lamina status --need index --need intake
    lamina status --json | jq .backlog
    """
    with failures():
        settings = configuration.load()
        with configuration.connect(settings) as client:
            found = client.status()
        _print_status(found, settings.web_url, as_json=json)
        if missing := [kind for kind in need or [] if not found["processes"].get(kind)]:
            raise Failure(f"No process is alive of: {', '.join(missing)}.")


def _print_status(found: StatusReply, url: str, *, as_json: bool) -> None:
    if as_json:
        answer_json(found)
    else:
        running = ", ".join(f"{count} {kind}" for kind, count in found["processes"].items())
        backlog = found["backlog"]
        waits = f"{backlog['pending']:,} documents wait, {backlog['claimed']:,} being indexed"
        oldest = backlog["oldest_seconds"]
        answer(f"Lamina {found['version']} at {url}: {running}")
        answer(f"{waits}, oldest {oldest:.0f} s" if oldest else waits)
        if (files := found["files"])["waiting"] or files["being_read"]:
            answer(f"{counted(files['waiting'], 'file')} wait, {files['being_read']:,} being read")
        for rebuild in found["rebuilds"]:
            answer(_rebuild_in_words(rebuild))
        for one in found["troubles"]:
            answer(f"{one['kind']} {one['process']}: {one['trouble']} (since {one['since']})")
        for chore in found["chores"]:
            answer(_chore_in_words(chore))
        if found["damages"]:
            answer(f"{counted(found['damages'], 'damaged file')}: see lamina fsck")
        if dead := found["dead_letters"]:
            answer(f"{counted(dead, 'dead letter')}: see lamina dead list")
        print_collections(found["collections"])


def _rebuild_in_words(rebuild: RunningRebuildReply) -> str:
    done = f"{rebuild['done']:,} of {counted(rebuild['of'], 'document')}"
    failed = f", {rebuild['failed']:,} failed" if rebuild["failed"] else ""
    trouble = f": {rebuild['trouble']}" if rebuild["trouble"] else ""
    return f"rebuild of {rebuild['collection']}, {rebuild['state']}: {done}{failed}{trouble}"


def _chore_in_words(chore: ChoreReply) -> str:
    share = f"{chore['done']:,} of {chore['total']:,}" if chore["total"] else "begun"
    return f"{chore['kind']} in {chore['collection']}: {share}, since {chore['started_at']}"
