"""The whole index store over object storage, as hosts that share nothing else see it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.domain import Manifest
from shared.errors import ConfigurationError, CorruptFile
from shared.index import FolderIndexStore, open_store
from shared.ports import Snapshot
from shared.settings import Settings, StorageSettings
from tests.object_storage import ObjectStorage
from tests.unit.index import given

Host = Callable[[str], FolderIndexStore]


@pytest.fixture
def host(object_storage: ObjectStorage, tmp_path: Path) -> Host:
    """Opens the store of a host, as its settings say."""

    def opened(name: str) -> FolderIndexStore:
        storage = StorageSettings(url=object_storage.url, endpoint=object_storage.endpoint)
        return open_store(Settings(data_dir=tmp_path / name, storage=storage))

    return opened


def published(store: FolderIndexStore) -> Manifest:
    """Write a version of a mapped and a tiny segment, with deletes in both."""
    version = given.manifest([given.segment(store, 1, 400), given.segment(store, 401, 30)])
    return store.with_deleted(version, given.ATTEMPT, np.array([3, 77, 410], dtype=np.int64))


def answers(snapshot: Snapshot) -> list[list[int]]:
    _, ids = snapshot.search(given.vectors(5, seed=4), 20)
    rows: list[list[int]] = ids.tolist()
    return rows


def test_what_one_host_publishes_another_searches_and_a_third_merges(
    host: Host, tmp_path: Path
) -> None:
    local = FolderIndexStore(tmp_path / "local")
    expected = answers(local.open(published(local)))

    head = given.head(host("a"), published(host("a")))
    version = host("b").read_manifest(head)
    assert answers(host("b").open(version)) == expected

    merged = given.merged(host("c"), version.segments)
    after = given.head(host("c"), replace(version, version=2, segments=(merged,)))
    held = host("b")
    assert answers(held.open(held.read_manifest(after))) == expected
    assert held.check(held.read_manifest(after), given.silent, known=set()) == []


def test_nothing_of_the_index_lies_in_the_data_folder_but_copies(
    host: Host, tmp_path: Path
) -> None:
    store = host("a")
    store.open(published(store)).search(given.vectors(1), 3)

    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["cache", "stamps"]


def test_entries_are_what_is_needed_and_go_for_good(
    host: Host, object_storage: ObjectStorage
) -> None:
    store = host("a")
    version = published(store)
    head = given.head(store, version)

    entries = host("b").entries(7)
    assert {entry.key for entry in entries} == store.needed(version) | {store.manifest_key(head)}
    assert {entry.attempt_id for entry in entries} == {"a1"}
    assert not any(entry.draft for entry in entries)

    for entry in entries:
        host("b").remove(entry.key)
    assert object_storage.stored() == []
    with pytest.raises(CorruptFile, match="missing"):
        host("b").read_manifest(head)


@pytest.mark.parametrize("kind", ["ids.i64", "data.faiss", "segment.json", ".dead"])
def test_damage_in_the_bucket_is_found_and_named(
    host: Host, object_storage: ObjectStorage, kind: str
) -> None:
    store = host("a")
    version = published(store)
    damaged = next(key for key in object_storage.stored() if key.endswith(kind))
    object_storage.flip(damaged, 40)

    (damage,) = store.check(version, given.silent, known=set())
    assert damage.key == damaged
    assert "sha256" in damage.reason
    with pytest.raises(CorruptFile, match=damaged):
        host("b").open(version).search(given.vectors(1), 3)


def test_without_its_package_object_storage_is_refused_in_plain_words(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    for module in ("bucket", "objects", "cache"):
        monkeypatch.delitem(sys.modules, f"shared.index.{module}", raising=False)

    with pytest.raises(ConfigurationError, match=r"pip install 'lamina\[s3\]'"):
        host("a")


def test_without_an_address_the_index_lies_in_the_data_folder(tmp_path: Path) -> None:
    store = open_store(Settings(data_dir=tmp_path))
    version = published(store)

    store.open(version).search(given.vectors(1), 3)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "stamps"]
    assert (tmp_path / "index" / "7" / "segments" / version.segments[0].id).is_dir()
