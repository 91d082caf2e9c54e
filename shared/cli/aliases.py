"""`lamina aliases`: other names for collections, moved together."""

from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import Exit, Failure, answer_json, answer_table, failures

Change = Annotated[
    list[str], typer.Argument(metavar="ALIAS=COLLECTION...", help="ALIAS= removes it.")
]


def list_aliases(*, json: AsJson = False) -> None:
    r"""List the aliases and where each leads.

    \b
    lamina aliases list
    """
    with failures(), configuration.connect() as client:
        _print(client.aliases(), json=json)


def set_aliases(changes: Change, *, json: AsJson = False) -> None:
    r"""Make, move and remove aliases, all in one step.

    \b
    lamina aliases set papers=papers-2026
    lamina aliases set live=new old=live-before beta=
    """
    with failures(), configuration.connect() as client:
        _print(client.set_aliases(dict(_change(one) for one in changes)), json=json)


def _change(text: str) -> tuple[str, str | None]:
    alias, equals, collection = text.partition("=")
    if not equals:
        raise Failure(f"{text!r} must be ALIAS=COLLECTION, or ALIAS= to remove it.", Exit.USAGE)
    return alias, collection or None


def _print(aliases: dict[str, str], *, json: bool) -> None:
    if json:
        answer_json(aliases)
    else:
        answer_table(("alias", "collection"), sorted(aliases.items()))
