"""`lamina collections rename|delete|deleted|recover`."""

from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import (
    answer,
    answer_json,
    answer_table,
    confirm,
    failures,
)
from shared.client.replies import Body
from shared.words import counted, size

Name = Annotated[str, typer.Argument(help="Which one.")]


def rename_collection(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="What it shall be called.")],
    *,
    json: AsJson = False,
) -> None:
    r"""Give a collection another name; everything in it stays.

    \b
    lamina collections rename papers articles
    """
    with failures(), configuration.connect() as client:
        found = client.change_collection(name, {"name": new})
        if json:
            answer_json(found)
        else:
            answer(f"{name} is called {found['name']} now.")


def delete_collection(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    r"""Delete a collection; it can be recovered until LAMINA_RETENTION_DELETED_DAYS are over.

    \b
    lamina collections delete papers --yes
    """
    with failures(), configuration.connect() as client:
        there = client.collection(name)
        documents = counted(there["documents"], "document")
        confirm(
            f"Delete {name} with {documents}?",
            yes=yes,
            otherwise=f"Nothing was deleted: {name} holds {documents}, so --yes is needed.",
        )
        gone = client.delete_collection(name)
        if json:
            answer_json(gone)
        else:
            answer(f"{name} is deleted; until {gone['removed_after']} it can be recovered.")


def list_deleted(*, json: AsJson = False) -> None:
    r"""List the deleted collections that can be recovered.

    \b
    lamina collections deleted
    """
    with failures(), configuration.connect() as client:
        found = client.deleted_collections()
        if json:
            answer_json(found)
            return
        columns = ("id", "name", "deleted", "recoverable until", "documents", "size")
        answer_table(
            columns,
            [
                (
                    one["id"],
                    one["name"],
                    one["deleted_at"],
                    one["removed_after"],
                    one["documents"],
                    size(one["bytes"]),
                )
                for one in found
            ],
        )


def recover_collection(
    name: Annotated[str, typer.Argument(help="What it was called.")],
    *,
    new: Annotated[str | None, typer.Option("--as", help="What it shall be called.")] = None,
    which: Annotated[
        int | None, typer.Option("--id", help="Of several of that name; by default the last.")
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Undo the delete of a collection.

    \b
    lamina collections recover papers
    lamina collections recover papers --as papers-of-may
    """
    asked: Body = {"new_name": new, "id": which}
    request = {key: value for key, value in asked.items() if value is not None}
    with failures(), configuration.connect() as client:
        found = client.recover_collection(name, request)
        if json:
            answer_json(found)
        else:
            answer(f"{found['name']} is back with {counted(found['documents'], 'document')}.")
