"""`lamina collections rebuild`."""

import time
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.collections import ChunkingName, MetricName
from shared.cli.options import AsJson, MaxTokens, Overlap
from shared.cli.progress import bar
from shared.cli.terminal import (
    Exit,
    Failure,
    answer,
    answer_json,
    answer_table,
    failures,
    say,
)
from shared.client import Client
from shared.client.replies import Body, RebuildDetailReply, RebuildReply
from shared.words import counted

_LOOK_SECONDS = 0.5
_ENDED = ("done", "cancelled")


def rebuild_collection(  # noqa: PLR0913 - one parameter an option
    name: Annotated[str, typer.Argument(help="Which one.")],
    *,
    encoder: Annotated[
        str | None, typer.Option(help="An installed model; by default the one it has.")
    ] = None,
    metric: Annotated[
        MetricName | None, typer.Option(help="How vectors are compared; by default as now.")
    ] = None,
    chunking: Annotated[
        ChunkingName | None, typer.Option(help="Cut long texts into passages, or cut them off.")
    ] = None,
    max_tokens: MaxTokens = None,
    overlap: Overlap = None,
    force: Annotated[
        bool, typer.Option(help="Leave out documents that the new encoder cannot encode.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Show how far it is until it has ended.")] = False,
    cancel: Annotated[bool, typer.Option(help="Cancel the one that is under way.")] = False,
    json: AsJson = False,
) -> None:
    r"""Cut and encode every document anew, while searches and new documents go on.

    What is not named stays as it is. Without any option it shows how far the last one is. Older
    versions stay as they are; restoring one brings its encoder back.

    \b
    lamina collections rebuild papers --max-tokens 128 --overlap 16 --wait
    lamina collections rebuild papers --encoder all-mpnet-base-v2
    lamina collections rebuild papers
    lamina collections rebuild papers --cancel
    """
    with failures(), configuration.connect() as client:
        wish = _wish(encoder, metric, _rule(chunking, max_tokens, overlap), force=force)
        if cancel:
            if wish:
                raise Failure("--cancel goes with no other wish.", Exit.USAGE)
            _show(client.cancel_rebuild(name), json=json)
            return
        if wish:
            begun = client.rebuild_collection(name, wish)
            if begun["rebuild"] is None:
                _tell_unchanged(name, begun, json=json)
                return
        found = _follow(client, name) if wait else client.rebuild(name)
        _show_closely(found, json=json)
        if wait and found["state"] != "done":
            raise SystemExit(Exit.FAILED)


def _rule(chunking: ChunkingName | None, max_tokens: int | None, overlap: int | None) -> Body:
    rule: Body = {
        "mode": chunking.value if chunking else None,
        "max_tokens": max_tokens,
        "overlap_tokens": overlap,
    }
    return {key: value for key, value in rule.items() if value is not None}


def _wish(encoder: str | None, metric: MetricName | None, rule: Body, *, force: bool) -> Body:
    wish: Body = {
        "encoder": encoder,
        "metric": metric.value if metric else None,
        "chunking": rule or None,
        "force": force or None,
    }
    return {key: value for key, value in wish.items() if value is not None}


def _tell_unchanged(name: str, begun: object, *, json: bool) -> None:
    if json:
        answer_json(begun)
    else:
        answer(f"{name} is just so already; nothing was begun.")


def _follow(client: Client, name: str) -> RebuildDetailReply:
    """Look until the rebuild has ended or waits for somebody."""
    with bar("rebuilding") as shown:
        while True:
            found = client.rebuild(name)
            shown(found["done"], found["of"])
            if found["state"] in (*_ENDED, "blocked"):
                return found
            time.sleep(_LOOK_SECONDS)


def _show_closely(found: RebuildDetailReply, *, json: bool) -> None:
    _show(found, json=json)
    if found["failures"] and not json:
        rows = [(one["document"], one["error"]) for one in found["failures"]]
        answer_table(("document", "error"), rows)
        say("Try them again with the same command, or leave them out with --force.")


def _show(found: RebuildReply, *, json: bool) -> None:
    if json:
        answer_json(found)
        return
    rule = found["chunking"]
    tokens = "all that fit" if rule["max_tokens"] is None else rule["max_tokens"]
    answer(
        f"{found['state']}: {found['done']:,} of {counted(found['of'], 'document')}, "
        f"{found['encoder']}, {found['metric']}, chunking {rule['mode']} ({tokens} tokens, "
        f"{rule['overlap_tokens']} shared)"
    )
    if found["eta_seconds"] is not None:
        answer(f"done in about {found['eta_seconds']:,.0f} s")
    if found["version"] is not None:
        answer(f"searched from version {found['version']} on")
    if found["failed"]:
        answer(f"{counted(found['failed'], 'document')} failed")
    if found["trouble"]:
        answer(found["trouble"])
