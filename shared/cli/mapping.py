"""`lamina map`: a collection drawn on a plane."""

import time
from collections import Counter
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson, InCollection
from shared.cli.terminal import (
    Exit,
    Failure,
    answer,
    answer_json,
    answer_table,
    failures,
    say,
)
from shared.client import Client, Refused
from shared.client.replies import Body, DrawnReply, MapReply
from shared.words import counted

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 600.0


def draw_map(
    *,
    collection: InCollection = "default",
    version: Annotated[
        str | None,
        typer.Option(help="Of which version: its number, a tag, `head`; else the newest drawn."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Group by this metadata field, not by cluster.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Words to find the place of.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Draw at most so many passages.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws another map.")] = 0,
    anew: Annotated[bool, typer.Option("--anew", help="Draw the newest version.")] = False,
    json: AsJson = False,
) -> None:
    r"""Draw a collection's passages on a plane, and show what lies together.

    The map is made in the background, in up to a minute, and kept with its version; the page
    of the collection shows it.

    \b
    lamina map -c papers
    lamina map -c papers --by year --query "how do cells repair DNA"
    lamina map --version before-the-move --json
    """
    with failures(), configuration.connect() as client:
        named = "head" if anew else version
        which: Body = {"by": by, "q": query}
        which = {name: value for name, value in which.items() if value is not None}
        if named is None and sample is None and not seed:
            found = _newest(client, collection, which)
        else:
            found = None
        if found is None:
            wish: Body = {"version": named or "head", "seed": seed}
            wish |= {"sample": sample} if sample else {}
            found = _drawn(client, collection, wish, which)
        if json:
            answer_json(found)
        elif drawn := found.get("map"):
            _print_map(found, drawn)


def _newest(client: Client, collection: str, which: Body) -> MapReply | None:
    """Return the newest map that is drawn; None if there is none."""
    try:
        found = client.map(collection, which)
    except Refused as error:
        if error.type == "/problems/map-not-found":
            return None
        raise
    return found if found["state"] == "done" else None


def _drawn(client: Client, collection: str, wish: Body, which: Body) -> MapReply:
    """Have a map drawn and return it.

    Raises:
        Failure: it failed, or is not there after ten minutes.
    """
    asked = client.draw_map(collection, wish)
    if asked["state"] == "wanted":
        say(f"drawing version {asked['version']} of {collection} …")
    wanted = which | {"version": asked["version"]}
    end = time.monotonic() + _PATIENCE_SECONDS
    while (found := client.map(collection, wanted))["state"] == "wanted":
        if time.monotonic() > end:
            raise Failure("It is not drawn yet; `lamina map` shows it later.", Exit.UNREACHABLE)
        time.sleep(_LOOK_SECONDS)
    if found["state"] == "failed":
        raise Failure(f"The map could not be drawn: {found['detail']}")
    return found


def _print_map(found: MapReply, drawn: DrawnReply) -> None:
    points = drawn["points"]
    shown = counted(len(points), "passage")
    part = "" if len(points) == drawn["vectors"] else f" of {drawn['vectors']:,}"
    answer(f"{found['collection']}, version {found['version']}: {shown}{part}, {drawn['method']}")
    sizes = Counter(point["shade"] for point in points)
    answer_table(
        (drawn["by"] or "cluster", "passages", "such as"),
        [
            (
                label,
                sizes[number],
                " / ".join(_titles(drawn, number)),
            )
            for number, label in enumerate(drawn["labels"])
        ],
    )
    if sizes[None]:
        answer(f"{counted(sizes[None], 'passage')} without {drawn['by']}")
    if place := drawn["query"]:
        answer(f"the query lies at {place['x']:.3f}, {place['y']:.3f}, by its nearest:")
        answer_table(
            ("score", "id", "title"),
            [(one["score"], one["id"], one["title"]) for one in place["nearest"]],
        )


def _titles(drawn: DrawnReply, shade: int) -> list[str]:
    """Return a few titles of documents of one colour."""
    titles = dict.fromkeys(one["title"] for one in drawn["points"] if one["shade"] == shade)
    return list(titles)[:3]
