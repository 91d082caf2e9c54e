"""`lamina status`, `jobs` and `rejections`: what runs, what waits, what became of it."""

from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.client import Client
from shared.cli.collections import print_collections
from shared.cli.options import AsJson
from shared.cli.replies import ChoreReply, JobReply, StatusReply
from shared.cli.terminal import (
    Failure,
    answer,
    answer_json,
    answer_table,
    counted,
    failures,
    states_in_words,
)

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")]


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
        with Client.open(settings) as client:
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
        for chore in found["chores"]:
            answer(_chore_in_words(chore))
        if found["damages"]:
            answer(f"{counted(found['damages'], 'damaged file')}: see lamina fsck")
        print_collections(found["collections"])


def _chore_in_words(chore: ChoreReply) -> str:
    share = f"{chore['done']:,} of {chore['total']:,}" if chore["total"] else "begun"
    return f"{chore['kind']} in {chore['collection']}: {share}, since {chore['started_at']}"


def jobs(
    job: Annotated[str | None, typer.Argument(help="One job, with its errors.")] = None,
    *,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only of this collection.")
    ] = None,
    limit: Limit = 20,
    json: AsJson = False,
) -> None:
    r"""List the newest jobs, or show one.

    \b
    lamina jobs -c papers
    lamina jobs JOB --json
    """
    with failures(), Client.open(configuration.load()) as client:
        if job:
            found = client.job(job)
            if json:
                answer_json(found)
            else:
                _print_job(found)
            return
        several = client.jobs(limit=limit, collection=collection)
        if json:
            answer_json(several)
        else:
            answer_table(
                ("job", "accepted", "collection", "source", "status", "documents"),
                [
                    (
                        one["id"],
                        one["stages"]["accepted_at"],
                        one["collection"],
                        one["source"],
                        one["status"],
                        states_in_words(one["counts"]),
                    )
                    for one in several
                ],
            )


def _print_job(job: JobReply) -> None:
    answer(f"{job['id']}  {job['collection']}  {job['status']}: {states_in_words(job['counts'])}")
    for stage, when in job["stages"].items():
        answer(f"  {stage:<16} {when or '-'}")
    for title, issues in (("error", job["errors"]), ("warning", job["warnings"])):
        for issue in issues:
            answer(f"  {title}: {issue['document']}: {issue['message']}")


def rejections(*, limit: Limit = 20, json: AsJson = False) -> None:
    r"""List messages that were not accepted, with the reason.

    \b
    lamina rejections --limit 5
    lamina rejections --json
    """
    with failures(), Client.open(configuration.load()) as client:
        found = client.rejections(limit=limit)
        if json:
            answer_json(found)
        else:
            answer_table(
                ("id", "received", "source", "reason", "detail", "key"),
                [
                    (
                        str(one["id"]),
                        one["received_at"],
                        one["source"],
                        one["reason"],
                        one["detail"],
                        one["key"],
                    )
                    for one in found
                ],
            )
