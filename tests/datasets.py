"""Test data beside the repository. What needs it is skipped, with the reason, where it is not."""

import gzip
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"


def need(name: str) -> Path:
    """Return the folder of a data set, or skip the test that asks."""
    folder = FOLDER / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is not beside this checkout")
    return folder


def scifact_documents(count: int) -> list[dict[str, str]]:
    """Return the first *count* abstracts of SciFact as `id`, `title`, `text`.

    Raises:
        FileNotFoundError: the data set is not beside this checkout.
    """
    documents = []
    with (FOLDER / "scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
        for line, _ in zip(lines, range(count), strict=False):
            raw = json.loads(line)
            documents.append({"id": raw["_id"], "title": raw["title"], "text": raw["text"]})
    return documents


def glosses(count: int) -> list[dict[str, str]]:
    """Return the first *count* WordNet glosses as `id`, `title`, `text`.

    Raises:
        FileNotFoundError: the data set is not beside this checkout.
    """
    documents = []
    with gzip.open(FOLDER / "wordnet-glosses" / "docs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line, _ in zip(lines, range(count), strict=False):
            raw = json.loads(line)
            documents.append({"id": raw["id"], "title": raw["title"], "text": raw["text"]})
    return documents
