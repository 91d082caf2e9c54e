"""`lamina jobs`: the newest jobs, one job, cancelling it, and retrying what failed of it."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from shared.cli import configuration
from shared.cli.options import AsJson, rfc3339
from shared.cli.terminal import answer, answer_json, answer_table, failures, states_in_words
from shared.client.replies import JobReply
from shared.words import about, counted

if TYPE_CHECKING:
    # Of the types that a group's methods take only Typer's own copy of click has names.
    from typer._click.core import Command, Context


class JobStatus(StrEnum):
    """Kinds of jobs to look for."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class JobsGroup(TyperGroup):
    """Takes a job's id in place of a command: then the job is shown."""

    def resolve_command(
        self, ctx: "Context", args: list[str]
    ) -> "tuple[str | None, Command | None, list[str]]":
        """Return the command that *args* begin with, or `show`."""
        known = args and (args[0] in self.commands or args[0].startswith("-"))
        return super().resolve_command(ctx, args if known else ["show", *args])


def list_jobs(
    context: typer.Context,
    *,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only of this collection.")
    ] = None,
    status: Annotated[
        JobStatus | None, typer.Option(help="Only these; failed: a document of it did.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Accepted then or later (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Accepted before then (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    r"""List the newest jobs; with an id show that job, with its errors.

    \b
    lamina jobs -c papers --status running --since 2026-11-20
    lamina jobs JOB --json
    lamina jobs cancel JOB
    lamina jobs retry JOB
    lamina jobs batches JOB
    """
    if context.invoked_subcommand:
        return
    with failures(), configuration.connect() as client:
        found = client.jobs(
            limit=limit,
            collection=collection,
            status=status.value if status else None,
            since=rfc3339(since),
            until=rfc3339(until),
        )
        if json:
            answer_json(found)
        else:
            _print_jobs(found)


def show_job(
    job: Annotated[str, typer.Argument(help="Its id.")],
    *,
    json: AsJson = False,
) -> None:
    r"""Show one job, with its errors and when it will be done.

    \b
    lamina jobs show JOB
    """
    with failures(), configuration.connect() as client:
        found = client.job(job)
        if json:
            answer_json(found)
        else:
            _print_job(found)


def cancel_job(
    job: Annotated[str, typer.Argument(help="Its id.")],
    *,
    json: AsJson = False,
) -> None:
    r"""Cancel what waits of a job; what a worker holds runs to its end.

    \b
    lamina jobs cancel JOB
    """
    with failures(), configuration.connect() as client:
        done = client.cancel(job)
        if json:
            answer_json(done)
            return
        answer(f"{counted(done['cancelled'], 'document')} cancelled")
        if done["under_way"]:
            answer(f"{counted(done['under_way'], 'document')} with a worker, and will be done")


def retry_job(
    job: Annotated[str, typer.Argument(help="Its id.")],
    *,
    document: Annotated[
        list[str] | None, typer.Option(help="Only the document with this id; again for more.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="Only the file with this name; again for more.")
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Put the documents and files of a job that failed back into the queue.

    A file is read again, as long as its bytes are kept.

    \b
    lamina jobs retry JOB
    lamina jobs retry JOB --document report-12
    lamina jobs retry JOB --file reports/2026.pdf
    """
    with failures(), configuration.connect() as client:
        steps = [client.retry(job, document or None, files=file or None)]
        while steps[-1]["more"]:
            steps.append(client.retry(job, document or None, files=file or None))
        if json:
            answer_json(steps[0] if len(steps) == 1 else steps)
            return
        waiting = sum(one["retried"] for one in steps)
        files = sum(one["files"] for one in steps)
        if waiting or not files:
            answer(f"{counted(waiting, 'document')} will be indexed again")
        if files:
            answer(f"{counted(files, 'file')} will be read again")
        for detail in dict.fromkeys(detail for one in steps for detail in one["details"]):
            answer(f"  left out: {detail}")


def list_batches(
    job: Annotated[str, typer.Argument(help="Its id.")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    json: AsJson = False,
) -> None:
    r"""List the batches in which a job was encoded, and why each was closed.

    \b
    lamina jobs batches JOB
    """
    with failures(), configuration.connect() as client:
        found = client.claims(limit=limit, job=job)
        if json:
            answer_json(found)
            return
        columns = ("batch", "taken", "worker", "of this job", "documents", "tokens", "closed by")
        answer_table(
            columns,
            [
                (
                    one["id"],
                    one["claimed_at"],
                    one["worker"],
                    one.get("of_job"),
                    one["documents"],
                    one["tokens"],
                    one["closed_by"],
                )
                for one in found
            ],
        )


def _print_jobs(jobs: list[JobReply]) -> None:
    answer_table(
        ("job", "accepted", "collection", "source", "status", "documents", "done in"),
        [
            (
                one["id"],
                one["stages"]["accepted_at"],
                one["collection"],
                one["source"],
                one["status"],
                states_in_words(one["counts"]),
                _eta(one),
            )
            for one in jobs
        ],
    )


def _print_job(job: JobReply) -> None:
    answer(f"{job['id']}  {job['collection']}  {job['status']}: {states_in_words(job['counts'])}")
    if job["cancelled_at"]:
        answer(f"  {'cancelled_at':<16} {job['cancelled_at']}")
    for stage, when in job["stages"].items():
        answer(f"  {stage:<16} {when or '-'}")
    if estimate := job["estimate"]:
        speed = f"{estimate['tokens_per_second']:,.0f} tokens/s measured"
        todo = f"{counted(estimate['documents'], 'document')} until then"
        workers = counted(estimate["workers"], "worker")
        answer(f"  {'done in about':<16} {_eta(job)} ({todo}, {speed}, {workers})")
    for title, issues in (("error", job["errors"]), ("warning", job["warnings"])):
        for issue in issues:
            answer(f"  {title}: {issue['document']}: {issue['message']}")


def _eta(job: JobReply) -> str | None:
    seconds = job["eta_seconds"]
    return None if seconds is None else about(seconds)
