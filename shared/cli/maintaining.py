"""`lamina gc` and `lamina purge`: remove what is not needed, or must not be."""

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
    say,
)
from shared.client.replies import GarbageReply
from shared.words import size


def collect_garbage(
    name: Annotated[str | None, typer.Argument(help="One collection; by default all.")] = None,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Remove it; otherwise only show it.")
    ] = False,
    json: AsJson = False,
) -> None:
    r"""Show which versions and files the retention rules let go; with --yes remove them.

    Upkeep does this by itself every minute. Nothing that a kept version needs is ever removed,
    and the files of a version that was let go stay for LAMINA_RETENTION_GRACE_SECONDS more.

    \b
    lamina gc
    lamina gc papers --yes
    """
    with failures(), configuration.connect() as client:
        names = [name] if name else [one["name"] for one in client.collections()]
        found = [client.collect_garbage(one, dry_run=not yes) for one in names]
        if json:
            answer_json(found)
            return
        _print_garbage(found)
        if not yes:
            say("Nothing was removed; --yes removes it.")


def _print_garbage(found: list[GarbageReply]) -> None:
    answer_table(
        ("collection", "versions", "files", "size", "broken attempts", "texts"),
        [
            (
                one["collection"],
                numbers_in_words(one["expired"]),
                len(one["removed"]),
                size(one["bytes"]),
                len(one["revoked"]),
                one["forgotten"],
            )
            for one in found
        ],
    )


def numbers_in_words(versions: list[int]) -> str:
    """Return numbers with their runs shortened: `1-4, 7`."""
    runs: list[list[int]] = []
    for version in sorted(versions):
        if runs and version == runs[-1][-1] + 1:
            runs[-1].append(version)
        else:
            runs.append([version])
    return ", ".join(f"{run[0]}-{run[-1]}" if run[1:] else str(run[0]) for run in runs) or "none"


def purge(
    collection: Annotated[str, typer.Argument(help="Which collection.")],
    document: Annotated[str, typer.Argument(metavar="ID", help="The document's id.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    r"""Erase a document from every version, now and for good.

    \b
    lamina purge papers a1 --yes
    """
    with failures(), configuration.connect() as client:
        confirm(
            f"Erase {document} from every version of {collection}? This cannot be undone.",
            yes=yes,
            otherwise="Nothing was erased: it cannot be undone, so --yes is needed.",
        )
        done = client.purge(collection, document)
        if json:
            answer_json(done)
        else:
            answer(f"{document} is gone from every version of {collection}.")
