"""`lamina events`: what happens, as it happens, a JSON object a line."""

import json
import time
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.terminal import complain, failures

_EVERY_SECONDS = 1.0


def watch_events(
    *,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only of this collection.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(help="From the event behind this one on; by default from now on.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when all are told.")] = False,
) -> None:
    r"""Watch finished jobs, documents that fail, and new versions, until Ctrl-C.

    \b
    lamina events -c papers
    lamina events --after 0 --once | jq .type
    """
    with failures(), configuration.connect() as client:
        try:
            while True:
                found = client.events(collection=collection, after=after)
                if found["missed"]:
                    complain("some events were forgotten before they could be told")
                for one in found["events"]:
                    print(json.dumps(one, ensure_ascii=False), flush=True)  # noqa: T201 - JSON
                after = found["last"]
                if once and not found["events"]:
                    return
                if not found["events"]:
                    time.sleep(_EVERY_SECONDS)
        except KeyboardInterrupt:
            return
