"""`lamina search`."""

import json as json_text
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson, InCollection
from shared.cli.terminal import Exit, Failure, answer, answer_json, failures, say
from shared.client.replies import Body, HitReply, SearchReply


def search(  # noqa: PLR0913 - each is an option of the command
    query: Annotated[
        str | None, typer.Argument(help="What to look for, in plain words.", show_default=False)
    ] = None,
    *,
    collection: InCollection = "default",
    k: Annotated[int, typer.Option("-k", min=1, help="How many documents.")] = 10,
    where: Annotated[
        str | None,
        typer.Option(
            "--filter", help="Only documents whose metadata match, such as 'year > 2020'."
        ),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="In place of words: find documents like the one of this id.")
    ] = None,
    vector: Annotated[
        Path | None,
        typer.Option(help="In place of words: a file with the vector, a JSON list of numbers."),
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="Nothing worse than this.")] = None,
    passages: Annotated[
        int, typer.Option(min=1, help="How many of the best passages of each document.")
    ] = 1,
    fields: Annotated[
        str | None, typer.Option(help="With --json: fields of a hit, with commas between them.")
    ] = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="With --json: vectors too.")] = False,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where the answer that told this cursor ended.")
    ] = None,
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
    lamina search "refunds" --filter 'year >= 2020 and lang in ["en", "fr"]'
    lamina search --like paper-17 --min-score 0.5 --passages 3
    lamina search "refunds" --version before-the-move --exact --json
    """
    if fields is not None and not json:
        raise typer.BadParameter("--fields goes with --json.")
    request: Body = {"k": k}
    options = {
        "q": query,
        "filter": where,
        "like": like,
        "min_score": min_score,
        "fields": fields,
        "cursor": cursor,
        "version": version,
        "after": after,
    }
    request |= {name: value for name, value in options.items() if value is not None}
    request |= {"exact": True} if exact else {}
    request |= {"vectors": True} if vectors else {}
    request |= {"passages": passages} if passages > 1 else {}
    with failures():
        if vector is not None:
            request["vector"] = _read_vector(vector)
        with configuration.connect() as client:
            reply = client.search(collection, request)
        if json:
            answer_json(reply)
        else:
            _print(reply)


def _read_vector(path: Path) -> list[float]:
    """Return the numbers of a JSON file.

    Raises:
        Failure: it cannot be read, or holds something else.
    """
    try:
        values = json_text.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Failure(f"{path}: {error}", Exit.USAGE) from error
    if not isinstance(values, list) or not all(type(one) in (int, float) for one in values):
        raise Failure(f"{path}: not a JSON list of numbers.", Exit.USAGE)
    return values


def _print(reply: SearchReply) -> None:
    for rank, hit in enumerate(reply["hits"], start=1):
        answer(f"{rank:>3}  {hit['score']:.4f}  {hit['id']}  {hit['title']}".rstrip())
        for passage in _passages(hit):
            answer(f"             {shorten(passage, 200, placeholder=' …')}")
    took = sum(reply["took_ms"].values()) if "total" not in reply["took_ms"] else None
    total = reply["took_ms"].get("total", took)
    say(
        f"{len(reply['hits'])} documents of {reply['collection']} version {reply['version']}"
        f" in {total:.0f} ms; {reply['waiting']:,} waiting; score: {reply['score']}"
    )
    if reply["cursor"]:
        say(f"more: --cursor {reply['cursor']}")
    for warning in reply["warnings"]:
        say(f"warning: {warning}")


def _passages(hit: HitReply) -> list[str]:
    """Return what is shown below a hit: its best passage, or all that were asked for."""
    several = hit.get("passages", [])
    return [f"{one['score']:.4f}  {one['passage']}" for one in several] or [hit["passage"]]
