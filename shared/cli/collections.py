"""`lamina collections`."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson, MaxTokens, Overlap
from shared.cli.terminal import (
    Exit,
    Failure,
    answer,
    answer_json,
    answer_table,
    failures,
)
from shared.client.replies import Body, CollectionDetailReply, CollectionReply
from shared.words import counted, size

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


class MetricName(StrEnum):
    """How vectors are compared."""

    COSINE = "cosine"
    IP = "ip"
    L2 = "l2"


class ChunkingName(StrEnum):
    """What happens to long texts."""

    PASSAGES = "passages"
    NONE = "none"


class PolicyName(StrEnum):
    """How large segments are laid out for search."""

    AUTO = "auto"
    FLAT = "flat"
    HNSW = "hnsw"
    IVF = "ivf"
    IVFPQ = "ivfpq"
    SQ8 = "sq8"


def create_collection(
    name: Annotated[str, typer.Argument(help="What it shall be called.")],
    *,
    encoder: Annotated[
        str | None, typer.Option(help="An installed model; by default LAMINA_ENCODER.")
    ] = None,
    metric: Annotated[
        MetricName | None, typer.Option(help="By default what the model was trained for.")
    ] = None,
    chunking: Annotated[
        ChunkingName, typer.Option(help="Cut long texts into passages, or cut them off.")
    ] = ChunkingName.PASSAGES,
    max_tokens: MaxTokens = None,
    overlap: Overlap = None,
    json: AsJson = False,
) -> None:
    r"""Create a collection.

    \b
    lamina collections create papers
    lamina collections create notes --encoder all-mpnet-base-v2 --metric ip --chunking none
    """
    rule: Body = {"mode": chunking.value}
    if max_tokens is not None:
        rule["max_tokens"] = max_tokens
    if overlap is not None:
        rule["overlap_tokens"] = overlap
    request: Body = {"name": name, "chunking": rule}
    if encoder:
        request["encoder"] = encoder
    if metric:
        request["metric"] = metric.value
    with failures(), configuration.connect() as client:
        made = client.create_collection(request)
        if json:
            answer_json(made)
        else:
            answer(f"Created {made['name']}: {made['encoder']}, {made['metric']}.")


def list_collections(*, json: AsJson = False) -> None:
    r"""List the collections.

    \b
    lamina collections list --json
    """
    with failures(), configuration.connect() as client:
        found = client.collections()
        if json:
            answer_json(found)
        else:
            print_collections(found)


def show_collection(
    name: Annotated[str, typer.Argument(help="Which one.")], *, json: AsJson = False
) -> None:
    r"""Show a collection: its rules, how its index is laid out now, and how well it finds.

    \b
    lamina collections show papers
    """
    with failures(), configuration.connect() as client:
        found = client.collection(name)
        if json:
            answer_json(found)
        else:
            _print_collection(found)


def set_collection(
    name: Annotated[str, typer.Argument(help="Which one.")],
    *,
    policy: Annotated[
        PolicyName | None, typer.Option(help="How large segments are laid out for search.")
    ] = None,
    recall_target: Annotated[
        float | None,
        typer.Option(help="Share of the exact best 10 that a search must find: 0.5 to 0.999."),
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(help="Memory for searching, such as 2GB or 512MiB, or none.")
    ] = None,
    keep_versions: Annotated[
        int | None, typer.Option(min=1, help="Newest versions with other content that stay.")
    ] = None,
    keep_days: Annotated[
        float | None, typer.Option(min=0, help="Days that older ones stay.")
    ] = None,
    thinning: Annotated[
        bool | None,
        typer.Option(help="Of older ones keep one a minute, later an hour, later a day."),
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Change how a collection is laid out and which versions stay; what is not named stays.

    No document is encoded again: stored vectors are laid out anew in the background.

    \b
    lamina collections set papers --policy hnsw --recall-target 0.97 --memory-limit 2GB
    lamina collections set papers --keep-versions 50 --keep-days 30 --no-thinning
    """
    with failures():
        index: Body = {"policy": policy, "recall_target": recall_target}
        index = {key: value for key, value in index.items() if value is not None}
        if memory_limit is not None:
            index["memory_limit_bytes"] = parse_limit(memory_limit)
        retention = {"versions": keep_versions, "days": keep_days, "thinned": thinning}
        retention = {key: value for key, value in retention.items() if value is not None}
        if not (index or retention):
            raise Failure("Name at least one rule to change; see --help.", Exit.USAGE)
        with configuration.connect() as client:
            found = client.change_collection(name, {"index": index, "retention": retention})
        if json:
            answer_json(found)
        else:
            _print_collection(found)


def parse_limit(text: str) -> int | None:
    """Return a size such as `2GB` (10^9), `512MiB` (2^20) or `1000` in bytes; None for `none`.

    Raises:
        Failure: it is no such size.
    """
    if text.lower() == "none":
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)", text)
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise Failure(
            f"{text!r} is no size: write it like 2GB, 512MiB, a number of bytes, or none.",
            Exit.USAGE,
        )
    return int(float(found[1]) * unit)


def _print_collection(one: CollectionDetailReply) -> None:
    print_collections([one])
    index, retention = one["index"], one["retention"]
    limit = index["memory_limit_bytes"]
    memory = "any memory" if limit is None else f"at most {size(limit)} of memory"
    answer(f"index: {index['policy']}, recall at least {index['recall_target']:g}, {memory}")
    thinned = "thinned" if retention["thinned"] else "all of them"
    older = f"older ones for {retention['days']:g} days ({thinned})"
    answer(
        f"versions: the newest {retention['versions']:,}, "
        f"{older if retention['days'] else 'no older ones'}, tagged ones always"
    )
    if recall := one["live_recall"]:
        answer(
            f"live recall: {recall['recall']:.4f}, worst {recall['worst']:.4f}, "
            f"of {recall['queries']:,} queries"
        )
    if one["damages"]:
        answer(f"{counted(one['damages'], 'damaged file')}: see lamina fsck")
    answer_table(
        ("policy", "segments", "vectors", "lowest recall", "memory"),
        [
            (
                part["policy"],
                part["segments"],
                part["vectors"],
                part["recall"],
                size(part["memory_bytes"]),
            )
            for part in one["layouts"] or []
        ],
    )


def print_collections(collections: Sequence[CollectionReply]) -> None:
    """Print collections as a table."""
    answer_table(
        ("collection", "documents", "waiting", "version", "vectors", "segments", "size", "encoder"),
        [
            (
                one["name"],
                one["documents"],
                one["waiting"],
                one["version"],
                one["vectors"],
                one["segments"],
                size(one["bytes"]),
                f"{one['encoder']} ({one['metric']})",
            )
            for one in collections
        ],
    )
