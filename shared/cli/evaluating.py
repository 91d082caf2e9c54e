"""`lamina eval`: retrieval quality against judgements in BEIR's files."""

import csv
import json as jsonlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from shared.cli import configuration
from shared.cli.options import AsJson, InCollection
from shared.cli.terminal import Exit, Failure, answer_json, answer_table, err, failures
from shared.client import Client
from shared.searching.evaluation import evaluate as measure

_AT_ONCE = 8  # the web process encodes queries that wait together in one pass


def evaluate(
    *,
    collection: InCollection,
    queries: Annotated[Path, typer.Option(help="JSON Lines with _id and text.")],
    qrels: Annotated[Path, typer.Option(help="Tabs: query-id, corpus-id, score; a header.")],
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Documents of each search.")] = 100,
    json: AsJson = False,
) -> None:
    r"""Measure nDCG@10, recall@10, recall@100 and MRR@10; only queries with judgements count.

    \b
    lamina eval -c scifact --queries queries.jsonl --qrels qrels/test.tsv
    """
    with failures():
        judged = read_qrels(qrels)
        asked = {key: text for key, text in read_queries(queries).items() if key in judged}
        if not asked:
            raise Failure("No query has judgements; do the files belong together?", Exit.USAGE)
        with configuration.connect() as client:
            runs = _search_all(client, collection, asked, k)
        found = measure({key: judged[key] for key in asked}, runs)
        if json:
            answer_json({"collection": collection, "k": k} | asdict(found))
            return
        answer_table(
            ("queries", "nDCG@10", "recall@10", "recall@100", "MRR@10"),
            [
                (
                    found.queries,
                    f"{found.ndcg_at_10:.4f}",
                    f"{found.recall_at_10:.4f}",
                    f"{found.recall_at_100:.4f}",
                    f"{found.mrr_at_10:.4f}",
                )
            ],
        )


def _search_all(
    client: Client, collection: str, asked: Mapping[str, str], k: int
) -> dict[str, list[str]]:
    """Return the ids found by each query, best first."""

    def one(text: str) -> list[str]:
        return [hit["id"] for hit in client.search(collection, {"q": text, "k": k})["hits"]]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = track(
            pool.map(one, asked.values()),
            total=len(asked),
            description="searching",
            console=err,
            disable=not err.is_terminal,
        )
        return dict(zip(asked, found, strict=True))


def read_queries(path: Path) -> dict[str, str]:
    """Return texts by query id.

    Raises:
        Failure: the file cannot be read or a line is no query.
    """
    texts = {}
    for number, line in enumerate(_read(path), start=1):
        if not line.strip():
            continue
        try:
            found = jsonlib.loads(line)
            texts[str(found["_id"])] = str(found["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(
                f"{path}:{number}: a query has `_id` and `text` ({error})", Exit.USAGE
            ) from error
    return texts


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Return judgements by query id: document id to relevance.

    Raises:
        Failure: the file cannot be read or is not BEIR's table.
    """
    rows = csv.DictReader(_read(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    judged: dict[str, dict[str, int]] = {}
    try:
        for row in rows:
            judged.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(
            f"{path}:{rows.line_num}: wanted query-id, corpus-id and score, separated by tabs,"
            f" under a header ({error})",
            Exit.USAGE,
        ) from error
    return judged


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {error}", Exit.USAGE) from error
