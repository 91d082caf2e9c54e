"""`lamina collections`."""

from enum import StrEnum
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.client import Client
from shared.cli.options import AsJson
from shared.cli.replies import Body, CollectionReply
from shared.cli.terminal import answer, answer_json, answer_table, bytes_in_words, failures


class MetricName(StrEnum):
    """How vectors are compared."""

    COSINE = "cosine"
    IP = "ip"
    L2 = "l2"


class ChunkingName(StrEnum):
    """What happens to long texts."""

    PASSAGES = "passages"
    NONE = "none"


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
    max_tokens: Annotated[
        int | None, typer.Option(min=8, help="Tokens of a passage; by default all that fit.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Tokens that two passages share.")
    ] = None,
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
    with failures(), Client.open(configuration.load()) as client:
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
    with failures(), Client.open(configuration.load()) as client:
        found = client.collections()
        if json:
            answer_json(found)
        else:
            print_collections(found)


def print_collections(collections: list[CollectionReply]) -> None:
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
                bytes_in_words(one["bytes"]),
                f"{one['encoder']} ({one['metric']})",
            )
            for one in collections
        ],
    )
