"""`lamina why` and `lamina receipts`: why something waits, and what became of a message."""

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


def show_receipts(
    key: Annotated[str, typer.Argument(help="Idempotency key of messages or requests.")],
    *,
    json: AsJson = False,
) -> None:
    r"""Tell what became of the messages with a key: accepted as which job, or refused and why.

    \b
    lamina receipts orders-2026-11-22
    """
    with failures(), configuration.connect() as client:
        found = client.receipts(key)
        if json:
            answer_json(found)
            return
        for one in found["receipts"]:
            ending = (
                f"job {one['job']['id']}" if one["job"] else f"{one['reason']}: {one['detail']}"
            )
            answer(f"{one['received_at']}  {one['source']}  {one['status']}  {ending}")


def _ask(
    client: Client, job: str | None, collection: str, document: str | None, key: str | None
) -> list[ReasonReply]:
    if job is not None:
        return client.why_job(job)
    if document is not None:
        return client.why({"collection": collection, "document": document})
    return client.why({"key": key or ""})
