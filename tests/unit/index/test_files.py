"""Files are durable before they have a name, and a failing disk leaves nothing visible."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.errors import CorruptFile, IndexUnavailable
from shared.index import FolderIndexStore, LocalFiles
from shared.index.drafts import Stamp
from tests.unit.index import given
from tests.unit.index.disks import RecordingDisk


def on(disk: RecordingDisk, root: Path) -> FolderIndexStore:
    return FolderIndexStore(root, LocalFiles(root, disk))


def publish(store: FolderIndexStore) -> None:
    """Take each way of writing once."""
    version = given.manifest([given.segment(store, 1, 40), given.segment(store, 41, 40)])
    version = store.with_deleted(version, given.ATTEMPT, given.ids(5, 20))
    merged = given.merged(store, version.segments)
    store.write_manifest(replace(version, segments=(merged,)))


def test_a_segment_is_synced_file_by_file_then_named_then_its_name_is_synced(
    tmp_path: Path,
) -> None:
    disk = RecordingDisk()
    store = on(disk, tmp_path / "index")
    given.segment(store, 1, 5)
    disk.steps.clear()

    name = given.segment(store, 6, 5).id

    steps = [step for step in disk.steps if step[0] not in ("write", "create")]
    assert steps == [
        ("make_folder", f"{name}.tmp"),
        ("sync", "ids.i64"),
        ("sync", "data.faiss"),
        ("sync", "segment.json"),
        ("sync_folder", f"{name}.tmp"),
        ("rename", name),
        ("sync_folder", "segments"),
    ]


def test_new_folders_are_made_durable_in_their_parents(tmp_path: Path) -> None:
    disk = RecordingDisk()
    store = on(disk, tmp_path / "data" / "index")

    store.write_manifest(given.manifest([]))

    assert disk.steps[:10] == [
        ("make_folder", "data"),
        ("sync_folder", tmp_path.name),
        ("make_folder", "index"),
        ("sync_folder", "data"),
        ("make_folder", "7"),
        ("sync_folder", "index"),
        ("make_folder", "manifests"),
        ("sync_folder", "7"),
        ("create", "000000000001-a1.json.tmp"),
        ("write", "000000000001-a1.json.tmp"),
    ]


def test_folders_that_another_process_made_are_synced_once_too(tmp_path: Path) -> None:
    on(RecordingDisk(), tmp_path).write_manifest(given.manifest([]))
    disk = RecordingDisk()
    store = on(disk, tmp_path)

    store.write_manifest(given.manifest([], version=2))
    store.write_manifest(given.manifest([], version=3))

    synced = [name for verb, name in disk.steps if verb == "sync_folder"]
    assert synced == [tmp_path.parent.name, tmp_path.name, "7", "manifests", "manifests"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_step_is_index_unavailable_and_leaves_only_complete_files(
    tmp_path: Path, error: int
) -> None:
    counting = RecordingDisk()
    publish(on(counting, tmp_path / "counted"))
    assert len(counting.steps) > 40

    for step in range(1, len(counting.steps) + 1):
        root = tmp_path / str(step)
        disk = RecordingDisk(fail_at=step, error=error)

        with pytest.raises(IndexUnavailable, match=os.strerror(error)):
            publish(on(disk, root))

        assert disk.steps[-1] == disk.steps[step - 1], "nothing is tried again after an error"
        left = FolderIndexStore(root).entries(7)
        assert [entry.key for entry in left if entry.draft] == []
        for entry in left:
            if entry.key.split("/")[1] == "segments":
                names = sorted(path.name for path in (root / entry.key).iterdir())
                assert names == ["data.faiss", "ids.i64", "segment.json"]


def test_after_an_error_the_next_try_takes_another_name_and_works(tmp_path: Path) -> None:
    disk = RecordingDisk()
    store = on(disk, tmp_path)
    version = given.manifest([given.segment(store, 1, 5)])
    store.write_manifest(version)
    disk.fail_at = len(disk.steps) + 5  # the sync of the folder, when the file has its name

    with pytest.raises(IndexUnavailable):
        store.write_manifest(given.manifest(version.segments, version=2))
    name, _ = store.write_manifest(given.manifest(version.segments, version=2))

    assert disk.steps[disk.fail_at - 1] == ("sync_folder", "manifests")
    assert name == "000000000002-a1.1.json"
    assert {entry.attempt_id for entry in store.entries(7)} == {"a1"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_the_file_system_running_full_is_index_unavailable(tmp_path: Path) -> None:
    # /dev/full accepts an open and refuses each byte, as a full disk does
    class FullDisk(RecordingDisk):
        def create(self, path: Path) -> int:
            path.symlink_to("/dev/full")
            return os.open(path, os.O_WRONLY)

        def write(self, descriptor: int, content: bytes | memoryview) -> None:
            os.write(descriptor, content)

    with pytest.raises(IndexUnavailable, match="No space left"):
        given.segment(on(FullDisk(), tmp_path), 1, 5)


def test_every_name_begins_with_its_attempt(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)

    publish(store)

    entries = store.entries(7)
    kinds = [entry.key.split("/")[1] for entry in entries]
    assert kinds == ["segments"] * 3 + ["deletes"] + ["manifests"]
    names = [entry.key.rpartition("/")[2].removeprefix("000000000001-") for entry in entries]
    assert all(name.startswith("a1") for name in names)
    assert all(entry.bytes > 0 and entry.modified_at > 0 for entry in entries)
    assert {entry.attempt_id for entry in entries} == {"a1"}
    assert store.entries(8) == []


def test_an_attempt_that_cannot_begin_a_name_is_refused(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)

    with pytest.raises(ValueError, match="begin a file name"):
        given.segment(store, 1, 5, attempt=replace(given.ATTEMPT, id="../../etc"))


def test_files_of_a_manifest_are_all_its_files(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    version = given.manifest([given.segment(store, 1, 40), given.segment(store, 41, 40)])
    version = store.with_deleted(version, given.ATTEMPT, given.ids(5, 2))

    needed = store.needed(version)

    files = dict(one for key in needed for one in store.contents(key))
    assert needed == {entry.key for entry in store.entries(7)}
    on_disk = {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert {tmp_path / key: size for key, size in files.items()} == on_disk
    assert version.bytes == sum(n for key, n in files.items() if not key.endswith(".dead"))


def test_removing_is_final_and_harmless_twice(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    store = FolderIndexStore(tmp_path, files)
    given.segment(store, 1, 5)
    (entry,) = store.entries(7)

    files.remove(entry.key)
    files.remove(entry.key)

    assert store.entries(7) == []


def test_an_unreadable_file_is_unavailable_and_not_called_damaged(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(IndexUnavailable, match="loop"):
        files.read("loop", "0" * 64, limit=10)


def test_a_mapped_array_outlives_the_name_of_its_file(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    stamp = files.new_file("one", [b"abc", b"def"])

    mapped = files.map("one", stamp)
    files.remove("one")

    assert mapped.tobytes() == b"abcdef"
    assert not mapped.flags.writeable
    with pytest.raises(CorruptFile, match="missing"):
        files.map("one", stamp)


def test_a_file_is_verified_again_once_it_was_touched(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    stamp = files.new_file("one", [np.arange(100, dtype=np.uint8).tobytes()])
    files.map("one", stamp)
    files.map("one", stamp)

    given.flip(tmp_path / "one", 50)

    with pytest.raises(CorruptFile, match="sha256"):
        files.map("one", stamp)
    with pytest.raises(CorruptFile, match="100 bytes long, not 99"):
        files.map("one", Stamp(99, stamp.sha256))
