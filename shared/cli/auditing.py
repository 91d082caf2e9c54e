"""`lamina audit`: who administered what."""

from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import answer_json, answer_table, failures


def audit(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    before: Annotated[int | None, typer.Option(help="Only entries with an id below this.")] = None,
    json: AsJson = False,
) -> None:
    r"""List administrative acts: keys, collections, tags, restores, purges, cancelled jobs.

    \b
    lamina audit
    lamina audit --limit 1000 --json
    """
    with failures(), configuration.connect() as client:
        found = client.audit(limit=limit, before=before)
        if json:
            answer_json(found)
        else:
            answer_table(
                ("id", "at", "who", "from", "what", "on", "outcome"),
                [
                    (
                        str(one["id"]),
                        one["at"],
                        one["who"],
                        one["address"] or None,
                        one["what"],
                        ", ".join(f"{name} {value}" for name, value in one["target"].items()),
                        one["outcome"] or "unknown",
                    )
                    for one in found
                ],
            )
