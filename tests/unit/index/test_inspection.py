"""What lies in the index folder: named, weighed, read again, and never half trusted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.domain import Attempt, IndexRule, Manifest, Metric, Policy
from shared.errors import CorruptFile
from shared.index import FolderIndexStore
from shared.settings import MergeSettings
from tests.unit.index import given

KINDS = ["ids.i64", "data.faiss", "ann.faiss", "segment.json", "*.dead"]


@pytest.fixture
def store(tmp_path: Path) -> FolderIndexStore:
    return FolderIndexStore(tmp_path, merge=MergeSettings(floor=256, threads=1))


@pytest.fixture
def version(store: FolderIndexStore) -> Manifest:
    """A laid out segment with deletes, and a flat one of another space."""
    laid = store.merge(
        given.ATTEMPT,
        [given.segment(store, 1, 150), given.segment(store, 151, 150)],
        Metric.COSINE,
        IndexRule(policy=Policy.HNSW),
        given.silent,
    )
    assert laid.layout
    assert laid.layout.policy is Policy.HNSW
    other = given.segment(store, 400, 20, space_id=2)
    manifest = given.manifest([laid, other])
    return store.with_deleted(manifest, given.ATTEMPT, given.ids(3, 4))


def file_of(root: Path, kind: str) -> Path:
    folder = "deletes" if kind == "*.dead" else "segments"
    return max((root / "7" / folder).rglob(kind), key=lambda path: path.stat().st_size)


def test_what_is_sound_has_no_damage_and_is_heard_of(
    store: FolderIndexStore, version: Manifest
) -> None:
    heard: list[tuple[int, int]] = []
    known: set[str] = set()

    found = store.check(version, lambda done, total: heard.append((done, total)), known=known)

    assert found == []
    assert known == store.needed(version)
    assert heard == [(0, 320), (300, 320), (320, 320)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ["flipped", "cut", "removed"])
def test_damage_is_found_past_every_cache_and_named(
    store: FolderIndexStore, version: Manifest, tmp_path: Path, kind: str, change: str
) -> None:
    snapshot = store.open(version)  # everything is verified and mapped by now
    damaged = file_of(tmp_path, kind)
    before = damaged.stat()
    content = damaged.read_bytes()
    damaged.unlink()
    if change != "removed":
        flipped = content[:-9] + bytes([content[-9] ^ 0x10]) + content[-8:]
        damaged.write_bytes(flipped if change == "flipped" else content[:-1])

    (found,) = store.check(version, given.silent, known=set())

    assert found.key == str(damaged.relative_to(tmp_path))
    assert found.collection_id == 7
    assert found.segment_id in {segment.id for segment in version.segments}
    assert found.key not in found.reason
    assert {"flipped": "sha256", "cut": "", "removed": "missing"}[change] in found.reason
    assert snapshot.search(given.vectors(1), 3)[1].shape == (1, 3)
    assert before.st_size == len(content)


def test_all_damaged_files_are_told(
    store: FolderIndexStore, version: Manifest, tmp_path: Path
) -> None:
    for kind in ("ids.i64", "data.faiss", "*.dead"):
        given.flip(file_of(tmp_path, kind), 40)

    found = store.check(version, given.silent, known=set())

    ends = [one.key.rpartition("/")[2] for one in found]
    assert ends[:2] == ["ids.i64", "data.faiss"]
    assert ends[2].endswith(".dead")


def test_what_is_known_is_not_read_again(
    store: FolderIndexStore, version: Manifest, tmp_path: Path
) -> None:
    known: set[str] = set()
    store.check(version, given.silent, known=known)
    given.flip(file_of(tmp_path, "data.faiss"), 40)

    assert store.check(version, given.silent, known=known) == []
    assert len(store.check(version, given.silent, known=set())) == 1


def test_a_check_stops_when_it_is_told_to(store: FolderIndexStore, version: Manifest) -> None:
    class Stopped(Exception):
        pass

    def stop(_done: int, _total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        store.check(version, stop, known=set())


def test_content_that_is_not_what_the_manifest_says_is_damage(
    store: FolderIndexStore, version: Manifest
) -> None:
    laid, other = version.segments
    wrong = replace(version, segments=(replace(laid, min_id=0), replace(other, space_id=1)))

    found = store.check(wrong, given.silent, known=set())

    assert [one.key.rpartition("/")[2] for one in found] == ["segment.json"] * 2
    assert "min_id is 1, not 0" in found[0].reason
    assert "space_id is 2, not 1" in found[1].reason


def test_entries_say_who_wrote_them_and_what_was_never_completed(
    store: FolderIndexStore, version: Manifest, tmp_path: Path
) -> None:
    head = given.head(store, version)
    (tmp_path / "7" / "segments" / "a9-left.tmp").mkdir()
    (tmp_path / "7" / "segments" / "lost+found").mkdir()

    entries = {entry.key: entry for entry in store.entries(7)}

    assert {*store.needed(version), store.manifest_key(head)} < entries.keys()
    left = entries["7/segments/a9-left.tmp"]
    assert (left.draft, left.attempt_id, left.bytes) == (True, "a9", 0)
    assert entries["7/segments/lost+found"].attempt_id is None
    written = [entry for key, entry in entries.items() if key in store.needed(version)]
    assert {(entry.draft, entry.attempt_id) for entry in written} == {(False, "a1")}
    assert all(entry.bytes > 0 and entry.modified_at > 0 for entry in written)


def test_entries_can_be_copied_file_by_file(
    store: FolderIndexStore, version: Manifest, tmp_path: Path
) -> None:
    head = given.head(store, version)
    other = FolderIndexStore(tmp_path / "other")

    for entry in (*store.needed(version), store.manifest_key(head)):
        for key, size in store.contents(entry):
            content = b"".join(store.read(key))
            assert len(content) == size
            (tmp_path / "other" / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "other" / key).write_bytes(content)

    copied = other.read_manifest(head)
    queries = given.vectors(3, seed=9)
    ids = other.open(copied).search(queries, 9)[1]
    assert copied == version
    assert (ids == store.open(version).search(queries, 9)[1]).all()


def test_what_is_removed_is_gone_and_removing_twice_is_harmless(
    store: FolderIndexStore, version: Manifest
) -> None:
    (gone, *_) = sorted(store.needed(version))

    store.remove(gone)
    store.remove(gone)

    assert gone not in {entry.key for entry in store.entries(7)}
    with pytest.raises(CorruptFile, match="missing"):
        store.contents(gone)


def test_a_head_that_names_no_manifest_has_no_key(store: FolderIndexStore) -> None:
    head = given.head(store, given.manifest([]))

    with pytest.raises(CorruptFile, match="not the name"):
        store.manifest_key(replace(head, manifest_file="../secret"))


def test_free_space_is_that_of_the_disk(store: FolderIndexStore, tmp_path: Path) -> None:
    free = store.free_bytes()

    assert free is not None
    assert free > 0


# --- copies -----------------------------------------------------------------------------------


def test_a_copy_of_a_laid_out_segment_is_laid_out_again(
    store: FolderIndexStore, version: Manifest
) -> None:
    laid = version.segments[0]
    gone = np.array([1, 5, 299], dtype=np.int64)

    copied = store.copy(
        given.ATTEMPT,
        laid,
        Metric.COSINE,
        without=gone,
        rule=IndexRule(policy=Policy.SQ8),
        step=given.silent,
    )

    assert copied
    assert copied.layout
    assert copied.layout.policy is Policy.SQ8
    assert copied.deletes is None
    kept = np.setdiff1d(given.ids(1, 300), gone)
    assert store.all_ids(7, copied).tolist() == kept.tolist()
    after = replace(version, segments=(copied,))
    assert (store.vectors(after, kept) == store.vectors(version, kept)).all()


def test_a_delete_set_remembers_when_the_first_vector_died(
    store: FolderIndexStore, version: Manifest
) -> None:
    late = Attempt(id="b1", collection_id=7, first_vector_id=1, started_at=50.0)
    later = replace(late, id="b2", started_at=90.0)
    fresh = replace(version, segments=(given.segment(store, 500, 9),))

    first = store.with_deleted(fresh, late, given.ids(501, 1))
    second = store.with_deleted(first, later, given.ids(502, 1))
    copied = store.read_manifest(given.head(store, second))

    assert [one.segments[0].deletes.since for one in (first, second, copied)] == [50.0] * 3  # type: ignore[union-attr]
