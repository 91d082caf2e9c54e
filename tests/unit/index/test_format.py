"""Files of format 1, as the first Lamina wrote them, are read, searched and merged to the next.

`tests/golden/index-1` was written by the code of that time: two segments of unit vectors, of
which some are deleted, and what a search found.
"""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.domain import Attempt, Head, Manifest, Policy
from shared.errors import CorruptFile
from shared.index import FolderIndexStore
from shared.index.formats import FORMAT
from tests.refusals import refused
from tests.unit.index import given

GOLDEN = Path(__file__).parents[2] / "golden" / "index-1"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_bytes())
LIVE = [one for one in range(1, 321) if one not in (5, 6, 7, 305)]
HEAD = Head(
    collection_id=7,
    version=3,
    manifest_file=EXPECTED["manifest_file"],
    manifest_sha256=EXPECTED["manifest_sha256"],
    published_at=0.0,
)
QUERIES = given.vectors(2, seed=1000)


@pytest.fixture
def store(tmp_path: Path) -> FolderIndexStore:
    shutil.copytree(GOLDEN, tmp_path / "index")
    return FolderIndexStore(tmp_path / "index")


@pytest.fixture
def old(store: FolderIndexStore) -> Manifest:
    return store.read_manifest(HEAD)


def test_it_opens_and_says_what_it_said(store: FolderIndexStore, old: Manifest) -> None:
    snapshot = store.open(old)
    scores, ids = snapshot.search(QUERIES, 5)

    assert [segment.format for segment in old.segments] == [1, 1]
    assert [segment.layout for segment in old.segments] == [None, None]
    assert [one.deletes.since for one in old.segments if one.deletes] == [0.0, 0.0]
    assert snapshot.ids().tolist() == LIVE
    assert ids.tolist() == EXPECTED["ids"]
    assert scores == pytest.approx(np.array(EXPECTED["scores"]), abs=1e-6)
    assert store.check(old, given.silent, known=set()) == []


def test_it_is_merged_to_the_format_of_today(store: FolderIndexStore, old: Manifest) -> None:
    merged = given.merged(store, old.segments)
    after = store.read_manifest(given.head(store, replace(old, version=4, segments=(merged,))))

    assert FORMAT == 2
    assert merged.format == FORMAT
    assert merged.layout
    assert merged.layout.policy is Policy.FLAT
    assert store.open(after).ids().tolist() == LIVE
    assert store.open(after).search(QUERIES, 5)[1].tolist() == EXPECTED["ids"]


def test_a_manifest_of_today_may_list_it(store: FolderIndexStore, old: Manifest) -> None:
    attempt = Attempt(id="b1", collection_id=7, first_vector_id=1, started_at=9.0)
    newer = store.with_deleted(
        replace(old, version=4, attempt_id="b1"), attempt, np.array([1, 310], dtype=np.int64)
    )
    again = store.read_manifest(given.head(store, newer))

    assert again == newer
    assert [segment.format for segment in again.segments] == [1, 1]
    assert store.open(again).ids().tolist() == [one for one in LIVE if one not in (1, 310)]
    # when its oldest delete was is not known, and stays so
    assert [one.deletes.since for one in again.segments if one.deletes] == [0.0, 0.0]


@pytest.mark.parametrize("name", ["data.faiss", "segment.json"])
def test_a_segment_of_a_newer_format_is_refused_with_words(
    store: FolderIndexStore, old: Manifest, tmp_path: Path, name: str
) -> None:
    first = old.segments[0]
    card = tmp_path / "index" / "7" / "segments" / first.id / "segment.json"
    record = json.loads(card.read_bytes())
    if name == "segment.json":
        record["format"] = FORMAT + 1
    else:  # as a downgrade that forgot the number would leave it
        record["files"]["ann.faiss"] = record["files"][name]
    card.write_text(json.dumps(record))
    sha256 = hashlib.sha256(card.read_bytes()).hexdigest()
    listed = replace(first, sha256=sha256, format=record["format"])
    newer = replace(old, segments=(listed,))

    with refused(CorruptFile, "[format] a segment of a newer format was read"):
        store.open(newer)

    with pytest.raises(CorruptFile) as caught:
        store.open(newer)
    wanted = "in format 3; this one reads up to 2" if name == "segment.json" else "lists the files"
    assert wanted in caught.value.detail
