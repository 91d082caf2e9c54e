"""`lamina search`."""

from textwrap import shorten
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.client import Client
from shared.cli.options import AsJson, InCollection
from shared.cli.replies import Body, SearchReply
from shared.cli.terminal import answer, answer_json, failures, say


def search(
    query: Annotated[str, typer.Argument(help="What to look for, in plain words.")],
    *,
    collection: InCollection = "default",
    k: Annotated[int, typer.Option("-k", min=1, help="How many documents.")] = 10,
    version: Annotated[
        str | None, typer.Option(help="Search this version, by number or tag, not the newest.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="Wait until this job can be found (a few seconds).")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Look at every vector, however it is laid out.")
    ] = False,
    json: AsJson = False,
) -> None:
    r"""Find documents by meaning.

    \b
    lamina search "how do cells repair DNA" -c papers -k 5
    lamina search "refunds" --version 12 --json
    lamina search "refunds" --version before-the-move --exact
    """
    request: Body = {"q": query, "k": k}
    if version is not None:
        request["version"] = version
    if exact:
        request["exact"] = True
    if after:
        request["after"] = after
    with failures(), Client.open(configuration.load()) as client:
        reply = client.search(collection, request)
        if json:
            answer_json(reply)
        else:
            _print(reply)


def _print(reply: SearchReply) -> None:
    for rank, hit in enumerate(reply["hits"], start=1):
        answer(f"{rank:>3}  {hit['score']:.4f}  {hit['id']}  {hit['title']}".rstrip())
        answer(f"             {shorten(hit['passage'], 200, placeholder=' …')}")
    took = sum(reply["took_ms"].values()) if "total" not in reply["took_ms"] else None
    total = reply["took_ms"].get("total", took)
    say(
        f"{len(reply['hits'])} documents of {reply['collection']} version {reply['version']}"
        f" in {total:.0f} ms; {reply['waiting']:,} waiting; score: {reply['score']}"
    )
    for warning in reply["warnings"]:
        say(f"warning: {warning}")
