"""`lamina why`: why something waits, or how it ended."""

from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import Exit, Failure, answer, answer_json, failures
from shared.client import Client
from shared.client.replies import ReasonReply


def why(
    job: Annotated[str | None, typer.Argument(help="A job's id.")] = None,
    *,
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Of the document.")
    ] = "default",
    document: Annotated[str | None, typer.Option(help="A document's id.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key of a message or request.")
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Tell why a job, a document or a message waits, the most important first.

    Of what is settled it tells how it ended.

    \b
    lamina why JOB
    lamina why --collection papers --document a1
    lamina why --key orders-2026-11-22 --json
    """
    with failures():
        if sum(one is not None for one in (job, document, key)) != 1:
            raise Failure("Name a job, or a --document, or a --key.", Exit.USAGE)
        with configuration.connect() as client:
            reasons = _ask(client, job, collection, document, key)
        if json:
            answer_json({"reasons": reasons})
        else:
            for reason in reasons:
                answer(reason["sentence"])


def _ask(
    client: Client, job: str | None, collection: str, document: str | None, key: str | None
) -> list[ReasonReply]:
    if job is not None:
        return client.why_job(job)
    if document is not None:
        return client.why({"collection": collection, "document": document})
    return client.why({"key": key or ""})
