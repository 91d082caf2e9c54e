"""A damaged file of any kind is found when it is opened, and named."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.domain import Head, Manifest, Metric
from shared.errors import CorruptFile
from shared.index import FolderIndexStore
from tests.unit.index import given

KINDS = ["ids.i64", "data.faiss", "segment.json", "*.dead", "*.json"]


@pytest.fixture(params=[20, 400])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Head, Manifest]:
    """A version of one tiny or one mapped segment, with deletes."""
    store = FolderIndexStore(tmp_path)
    version = given.manifest([given.segment(store, 1, request.param)])
    version = store.with_deleted(version, given.ATTEMPT, given.ids(3, 4))
    return given.head(store, version), version


def read_all(root: Path, head: Head) -> None:
    store = FolderIndexStore(root)
    manifest = store.read_manifest(head)
    store.open(manifest).search(given.vectors(1), 3)


def file_of(root: Path, kind: str) -> Path:
    folder = "manifests" if kind == "*.json" else "deletes" if kind == "*.dead" else "segments"
    (found,) = (root / "7" / folder).rglob(kind)
    return found


def test_what_is_whole_is_read(tmp_path: Path, published: tuple[Head, Manifest]) -> None:
    read_all(tmp_path, published[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_wherever_it_is(
    tmp_path: Path, published: tuple[Head, Manifest], kind: str
) -> None:
    damaged = file_of(tmp_path, kind)
    size = damaged.stat().st_size
    for at in range(0, size, max(1, size // 40)):
        given.flip(damaged, at)

        with pytest.raises(CorruptFile, match="sha256") as caught:
            read_all(tmp_path, published[0])

        assert damaged.name in caught.value.detail
        given.flip(damaged, at)
    read_all(tmp_path, published[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ["cut", "emptied", "lengthened", "removed"])
def test_a_file_of_another_length_or_none_is_found(
    tmp_path: Path, published: tuple[Head, Manifest], kind: str, change: str
) -> None:
    damaged = file_of(tmp_path, kind)
    content = damaged.read_bytes()
    if change == "removed":
        damaged.unlink()
    else:
        damaged.write_bytes({"cut": content[:-1], "emptied": b""}.get(change, content + b"\n"))

    with pytest.raises(CorruptFile) as caught:
        read_all(tmp_path, published[0])

    assert damaged.name in caught.value.detail
    assert ("missing" in caught.value.detail) == (change == "removed")


@pytest.mark.parametrize("kind", ["ids.i64", "segment.json", "*.dead"])
def test_damage_is_found_by_writers_too(
    tmp_path: Path, published: tuple[Head, Manifest], kind: str
) -> None:
    given.flip(file_of(tmp_path, kind), 100)
    store = FolderIndexStore(tmp_path)

    with pytest.raises(CorruptFile):
        store.with_deleted(published[1], given.ATTEMPT, given.ids(1, 2))
    with pytest.raises(CorruptFile):
        given.merged(store, published[1].segments, Metric.COSINE)


def test_vectors_of_a_damaged_segment_are_never_returned(
    tmp_path: Path, published: tuple[Head, Manifest]
) -> None:
    given.flip(file_of(tmp_path, "data.faiss"), -1)
    store = FolderIndexStore(tmp_path)

    with pytest.raises(CorruptFile, match=r"data\.faiss"):
        store.vectors(published[1], given.ids(1, 1))
    with pytest.raises(CorruptFile, match=r"data\.faiss"):
        given.merged(store, published[1].segments, Metric.COSINE)


# --- right checksums, wrong content: what a bug or a restored backup may leave ---------------


def forged(root: Path, head: Head, change: Callable[[dict[str, Any]], object]) -> Head:
    """Change the manifest's JSON and give the catalog its new checksum."""
    path = root / "7" / "manifests" / head.manifest_file
    record = json.loads(path.read_bytes())
    change(record)
    content = json.dumps(record).encode()
    path.write_bytes(content)
    return replace(head, manifest_sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m["segments"][0].update(id="../../../etc"), r"segments\.0\.id"),
        (lambda m: m["segments"][0].update(id="a/b"), r"segments\.0\.id"),
        (lambda m: m["segments"][0]["deletes"].update(file="../x.dead"), r"deletes\.file"),
        (lambda m: m["segments"][0].update(rows=2**60), r"segments\.0\.rows"),
        (lambda m: m["segments"][0].update(rows=-1), r"segments\.0\.rows"),
        (lambda m: m["segments"][0].update(rows=1.5), r"segments\.0\.rows"),
        (lambda m: m["segments"][0].update(rows="20"), r"segments\.0\.rows"),
        (lambda m: m["segments"][0].update(max_id=2), "no room"),
        (lambda m: m["segments"][0]["deletes"].update(count=10**6), "more deleted"),
        (lambda m: m["segments"][0].update(sha256="0"), r"segments\.0\.sha256"),
        (lambda m: m["segments"].append(m["segments"][0]), "totals"),
        (lambda m: m["totals"].update(live=1), "totals"),
        (lambda m: m.update(version=2), "version 2 of collection 7, not 1 of 7"),
        (lambda m: m.update(collection_id=8), "version 1 of collection 8, not 1 of 7"),
        (lambda m: m.update(format=3), "format: written by a newer Lamina, in format 3"),
        (lambda m: m.update(format=0), "format"),
        (lambda m: m["segments"][0].update(format=9), r"segments\.0\.format: written by a newer"),
        (lambda m: m["segments"][0].update(format=1), "format is 2, not 1"),
        (lambda m: m["segments"][0]["deletes"].update(since=-1.0), r"deletes\.since"),
        (lambda m: m["segments"][0]["deletes"].update(since=float("nan")), r"deletes\.since"),
        (lambda m: m.update(metric="hamming"), "metric"),
        (lambda m: m.update(dimension=0), "dimension"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.pop("segments"), "segments"),
        (lambda m: m.update(dimension=16), "8 dimensions"),
        (lambda m: m.update(metric="l2"), "cosine"),
        (lambda m: m["segments"][0].update(min_id=0), "min_id is 1, not 0"),
        (lambda m: m["segments"][0].update(space_id=1, max_id=10**6), "max_id"),
    ],
)
def test_a_manifest_with_impossible_values_is_refused(
    tmp_path: Path,
    published: tuple[Head, Manifest],
    change: Callable[[dict[str, Any]], object],
    complaint: str,
) -> None:
    head = forged(tmp_path, published[0], change)

    with pytest.raises(CorruptFile, match=complaint):
        read_all(tmp_path, head)


def test_a_segment_listed_twice_is_refused(
    tmp_path: Path, published: tuple[Head, Manifest]
) -> None:
    def double(record: dict[str, Any]) -> None:
        record["segments"] *= 2
        record["totals"] = {name: 2 * value for name, value in record["totals"].items()}

    with pytest.raises(CorruptFile, match="listed twice"):
        read_all(tmp_path, forged(tmp_path, published[0], double))


def test_something_that_is_no_json_is_refused(
    tmp_path: Path, published: tuple[Head, Manifest]
) -> None:
    head = published[0]
    content = b"[1, 2"
    (tmp_path / "7" / "manifests" / head.manifest_file).write_bytes(content)

    with pytest.raises(CorruptFile, match="JSON"):
        read_all(tmp_path, replace(head, manifest_sha256=hashlib.sha256(content).hexdigest()))


@pytest.mark.parametrize("name", ["../../x.json", "", "000000000002-a1.json", "/etc/passwd"])
def test_a_head_cannot_name_a_file_elsewhere(
    tmp_path: Path, published: tuple[Head, Manifest], name: str
) -> None:
    with pytest.raises(CorruptFile, match="is not the name of a manifest of version 1"):
        FolderIndexStore(tmp_path).read_manifest(replace(published[0], manifest_file=name))


def test_files_of_one_segment_cannot_stand_for_another(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    one, other = given.segment(store, 1, 20), given.segment(store, 21, 20)
    swapped = replace(one, sha256=other.sha256)
    source = tmp_path / "7" / "segments"
    (source / one.id / "segment.json").write_bytes(
        (source / other.id / "segment.json").read_bytes()
    )

    with pytest.raises(CorruptFile, match="id is"):
        FolderIndexStore(tmp_path).open(given.manifest([swapped]))
