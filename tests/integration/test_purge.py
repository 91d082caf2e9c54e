"""Purging a document: nothing of it is left in any version, and nothing else changes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from shared.catalog.tables import RevisionRow
from shared.domain import (
    Attempt,
    ChoreKind,
    Ids,
    IndexRule,
    Json,
    Metric,
    Segment,
    State,
)
from shared.errors import (
    Busy,
    CollectionNotFound,
    CorruptFile,
    DocumentNotFound,
    Fenced,
    IndexUnavailable,
)
from shared.index import FolderIndexStore, codec
from shared.ports import Step
from shared.trust.purging import purge
from shared.upkeep.chores import Duty
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next
from tests.keeping import (
    database_of,
    keep_only,
    keeper_of,
    keys_on_disk,
    live_versions,
    needed_keys,
)
from tests.refusals import refused
from tests.trust import (
    assert_same,
    examine,
    flip,
    live_a_little,
    manifest_of,
    mend,
    purger_of,
    put,
    see,
    segment_folder,
    shift_of,
    without,
)
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since what erases must hold on both."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def codes_of(world: World, *texts: str) -> list[bytes]:
    """Return the vectors of texts as they are at rest."""
    vectors, _ = world.encoder.encode_queries(texts)
    return [row.tobytes() for row in codec.encode(vectors)]


def holders(world: World, code: bytes) -> list[Path]:
    """Return the index files that hold a vector."""
    files = (path for path in (world.folder / "index").rglob("*") if path.is_file())
    return [path for path in files if code in path.read_bytes()]


def bytes_of_catalog(world: World) -> bytes:
    """Return all that SQLite has on disk, or all texts of any other database."""
    if database_of(world).sqlite:
        return b"".join(path.read_bytes() for path in sorted(world.folder.glob("catalog.db*")))
    with database_of(world).read() as tx:
        rows = tx.execute(select(RevisionRow.title, RevisionRow.text, RevisionRow.metadata_json))
        return "\n".join(str(row) for row in rows).encode()


def test_nothing_is_left_of_it_and_everything_else_is_as_it_was(world: World) -> None:
    live_a_little(world)
    secret: dict[str, Json] = {"id": "s", "title": "Sekretitel", "metadata": {"k": "metageh"}}
    world.add(secret | {"text": "geheimtext 1"})
    world.index_all()
    world.add(secret | {"text": "geheimtext 2"})
    world.index_all()
    put(world, 80)
    before = see(world)
    codes = codes_of(world, "Sekretitel\n\ngeheimtext 1", "Sekretitel\n\ngeheimtext 2")
    assert all(holders(world, code) for code in codes)
    assert b"geheimtext" in bytes_of_catalog(world)

    report = purge(purger_of(world), "c", "s")

    assert report.vectors == 2
    assert report.versions == (13, 14, 15)
    assert report.removed
    assert report.warnings == ()
    assert_same(without(before, "s"), see(world))
    assert not any(holders(world, code) for code in codes)
    for word in (b"Sekretitel", b"geheimtext", b"metageh"):
        assert word not in bytes_of_catalog(world)
    assert keys_on_disk(world) == needed_keys(world)
    assert examine(world).findings == ()


def test_it_leaves_merged_segments_and_their_inputs(world: World) -> None:
    live_a_little(world)
    before = see(world)
    codes = codes_of(world, "text 2", "changed 2")
    kept = codes_of(world, "text 102")

    report = purge(purger_of(world), "c", "d2")

    assert report.segments == 3, "where it was added, where it was changed, and the merged one"
    assert_same(without(before, "d2"), see(world))
    assert not any(holders(world, code) for code in codes)
    assert holders(world, kept[0])
    assert world.search("text 2", version=3).hits
    assert "d2" not in world.found("changed 2")
    assert examine(world).findings == ()


def test_a_reader_of_old_versions_that_was_there_before_sees_it_no_more(world: World) -> None:
    live_a_little(world)
    assert "d2" in [hit.id for hit in world.search("text 2", version=3).hits]

    purge(purger_of(world), "c", "d2")

    assert "d2" not in [hit.id for hit in world.search("text 2", version=3).hits]


def test_a_segment_of_nothing_else_goes_altogether(world: World) -> None:
    put(world, 1)
    put(world, 2)
    before = see(world)

    report = purge(purger_of(world), "c", "d1")

    assert report.versions == (1, 2)
    assert manifest_of(world, 1).segments == ()
    assert_same(without(before, "d1"), see(world))
    put(world, 3)
    assert sorted(world.live_documents()) == ["d2", "d3"]


def test_unknown_documents_and_a_second_purge_are_refused(world: World) -> None:
    put(world, 1)
    with pytest.raises(DocumentNotFound):
        purge(purger_of(world), "c", "nobody")
    with pytest.raises(CollectionNotFound):
        purge(purger_of(world), "nowhere", "d1")

    purge(purger_of(world), "c", "d1")

    with pytest.raises(DocumentNotFound):
        purge(purger_of(world), "c", "d1")


def test_a_document_with_the_same_id_is_a_new_one(world: World) -> None:
    put(world, 1, 2)
    purge(purger_of(world), "c", "d1")

    put(world, 1, text="again")

    assert world.live_documents() == {"d1": 1, "d2": 1}
    assert examine(world).findings == ()


def test_what_waits_of_it_ends_and_what_was_claimed_with_it_goes_on(world: World) -> None:
    put(world, 1)
    claimed = world.add({"id": "d1", "text": "second"}, {"id": "d2", "text": "neighbour"})
    claim = world.claim()
    waiting = world.add({"id": "d1", "text": "third"})

    purge(purger_of(world), "c", "d1")
    world.finish(claim)
    world.index_all()

    assert world.live_documents() == {"d2": 1}
    assert world.records.job(waiting.job_id).counts[State.CANCELLED] == 1
    counts = world.records.job(claimed.job_id).counts
    assert (counts[State.CANCELLED], counts[State.INDEXED]) == (1, 1)
    assert examine(world).findings == ()


def test_one_that_was_never_indexed_is_erased_too(world: World) -> None:
    world.add({"id": "d1", "text": "geheimtext"})

    report = purge(purger_of(world), "c", "d1")

    assert (report.vectors, report.versions) == (0, ())
    assert b"geheimtext" not in bytes_of_catalog(world)
    world.index_all()
    assert world.head().version == 0


def test_vectors_of_texts_forgotten_long_ago_go_too(world: World) -> None:
    put(world, 1, 2, text="first")
    put(world, 1, text="second")
    put(world, 1, text="third")
    collect(keeper_of(world), keep_only(world, 1), dry_run=False)
    codes = codes_of(world, "first 1")
    assert holders(world, codes[0]), "dead, but still in the segment of its neighbour"

    purge(purger_of(world), "c", "d1")

    assert not holders(world, codes[0])
    assert world.live_documents() == {"d2": 1}


def test_files_of_versions_that_have_just_expired_go_at_once(world: World) -> None:
    put(world, 1)
    put(world, 2)
    put(world, 1, text="changed")
    collect(keeper_of(world, grace_seconds=600), keep_only(world, 1), dry_run=False)
    codes = codes_of(world, "text 1", "changed 1")
    assert all(holders(world, code) for code in codes)

    purge(purger_of(world), "c", "d1")

    assert not any(holders(world, code) for code in codes)
    assert keys_on_disk(world) == needed_keys(world)


class Interrupted(FolderIndexStore):
    """An index store in which something happens once, while a segment is copied."""

    def __init__(self, world: World, meanwhile: Callable[[], None]) -> None:
        super().__init__(world.folder / "index", merge=world.merge)
        self._meanwhile = [meanwhile]

    def copy(
        self,
        attempt: Attempt,
        segment: Segment,
        metric: Metric,
        *,
        without: Ids,
        rule: IndexRule,
        step: Step,
    ) -> Segment | None:
        copy = super().copy(attempt, segment, metric, without=without, rule=rule, step=step)
        while self._meanwhile:
            self._meanwhile.pop()()
        return copy


def test_what_is_published_meanwhile_is_purged_too(world: World) -> None:
    live_a_little(world)

    def publish() -> None:
        put(world, 2, text="sneaked")
        put(world, 90)

    store = Interrupted(world, publish)
    purge(purger_of(world, store=store), "c", "d2")

    assert "d90" in world.live_documents()
    assert "d2" not in world.live_documents()
    assert not holders(world, codes_of(world, "sneaked 2")[0])
    assert examine(world).findings == ()


class Stuck(FolderIndexStore):
    """An index store on a disk that removes nothing at the moment."""

    def remove(self, key: str) -> None:
        raise IndexUnavailable(f"{key}: the disk is read-only.")


def test_a_merge_that_copied_it_meanwhile_is_fenced_off(world: World) -> None:
    for number in range(8):
        put(world, number)
    code = codes_of(world, "text 3")[0]
    warnings: list[str] = []

    def erase() -> None:
        # The inputs of the merge stay readable, so that nothing but the fence can stop it.
        keeper = replace(keeper_of(world, holder="host:4"), files=Stuck(world.folder / "index"))
        report = purge(replace(purger_of(world), keeper=keeper), "c", "d3")
        warnings.extend(report.warnings)

    with refused(Fenced, "[fence] a merge that copied what was purged"):
        merge_next(world.upkeep(erase))

    assert "read-only" in warnings[0]
    put(world, 8)
    assert merge_next(world.upkeep())
    collect(keeper_of(world), world.collections.get("c"), dry_run=False)
    assert sorted(world.live_documents()) == [f"d{one}" for one in range(9) if one != 3]
    assert not holders(world, code)
    assert examine(world).findings == ()


def test_publishing_goes_on_during_many_purges(world: World) -> None:
    put(world, *range(6))

    def publish() -> None:
        for number in range(100, 112):
            put(world, number)

    with ThreadPoolExecutor() as threads:
        publishing = threads.submit(publish)
        for number in range(6):
            purge(purger_of(world), "c", f"d{number}")
        publishing.result()

    assert sorted(world.live_documents()) == sorted(f"d{one}" for one in range(100, 112))
    assert [one.version for one in live_versions(world)] == list(range(1, 14))
    assert examine(world).findings == ()
    for version, seen in see(world).items():
        assert len(seen.ids) == max(0, version - 1)


def test_damage_is_repaired_first(world: World) -> None:
    live_a_little(world)
    before = see(world)
    flip(segment_folder(world, manifest_of(world, 3).segments[2].id) / "ids.i64")

    with pytest.raises(CorruptFile, match="fsck c --repair"):
        purge(purger_of(world), "c", "d2")
    mend(world)

    assert_same(before, see(world))
    purge(purger_of(world), "c", "d2")
    assert_same(without(before, "d2"), see(world))


def test_two_purges_at_once_are_refused(world: World) -> None:
    put(world, 1)
    other = shift_of(world, holder="other:1")
    with Duty(other, world.collection.id, ChoreKind.REWRITE, "x"), pytest.raises(Busy):
        purge(purger_of(world), "c", "d1")

    assert np.array_equal(sorted(world.live_documents()), ["d1"])
