"""Another chunking rule or encoder, while everything goes on: nothing is lost, nothing twice."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shared import domain
from shared.catalog import Database, SqlDiscards, SqlDump
from shared.collecting import draft_space
from shared.domain import (
    CheckReport,
    Chunking,
    ChunkingMode,
    Json,
    Lane,
    Load,
    Manifest,
    Rebuild,
    RebuildState,
    State,
    VersionKind,
)
from shared.errors import EncoderNotInstalled, InvalidRequest, RebuildNotFound, RebuildUnderWay
from shared.filters.text_form import read_text
from shared.index import FolderIndexStore
from shared.index.snapshot import FolderSnapshot
from shared.indexing.turns import index_next
from shared.ingest import deletion, submit
from shared.rebuilding.merging import merge_part_next
from shared.rebuilding.turns import rebuild_next
from shared.searching.search import SearchRequest, search
from shared.settings import MergeSettings
from shared.trust.checking import check
from shared.trust.purging import purge
from shared.trust.repairing import repair
from shared.upkeep.garbage import collect
from shared.upkeep.removing import remove_next
from shared.versions.comparing import compare_rankings
from shared.versions.restoring import restore
from tests.archives import export, import_
from tests.fakes.encoder import HashEncoder
from tests.keeping import contents, database_of, keep_only, keeper_of, keys_on_disk, needed_keys
from tests.shelves import shelf_of
from tests.trust import checker_of, purger_of, repairer_of
from tests.worlds import SEARCH_LIMITS, World

SHORT = Chunking(max_tokens=16, overlap_tokens=4)
OTHER = "lamina/other"


@pytest.fixture
def other() -> HashEncoder:
    """Another encoder, which cannot encode texts that hold the word *venom*."""
    return HashEncoder(OTHER, dimension=48, max_tokens=32, poison="venom")


@pytest.fixture
def world(tmp_path: Path, database_url: str, other: HashEncoder) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url, others=[other]) as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path, other: HashEncoder) -> Iterator[World]:
    """The same on SQLite alone, where the database makes no difference."""
    with World.open(tmp_path, others=[other], merge=MergeSettings(fan_in=2, threads=1)) as opened:
        yield opened


def ask(
    world: World, *, encoder: str = OTHER, chunking: Chunking = SHORT, force: bool = False
) -> Rebuild | None:
    """Ask for a rebuild of `c`."""
    draft = draft_space(world.bench.encoders, encoder, chunking=chunking)
    return world.rebuilds.begin("c", draft, force=force)


def begun(world: World, *, encoder: str = OTHER, chunking: Chunking = SHORT) -> Rebuild:
    rebuild = ask(world, encoder=encoder, chunking=chunking)
    assert rebuild
    return rebuild


def last(world: World) -> Rebuild:
    rebuild = world.rebuilds.last(world.collection.id)
    assert rebuild
    return rebuild


def step(world: World) -> bool:
    """Do one step of what rebuilds have to do; whether there was any."""
    return bool(rebuild_next(world.bench, world.renditions.running(), let_pass=lambda: None))


def live(world: World) -> domain.Collection:
    return world.collections.get("c")


def examined(world: World) -> CheckReport:
    """Check every version of `c`, with both encoders at hand."""
    checker = replace(checker_of(world), encoders=world.bench.encoders)
    return check(checker, live(world), sample=50)


def long_text(number: int) -> str:
    return " ".join([f"text {number}", *(f"w{number}x{word}" for word in range(3 * number))])


def test_all_is_swapped_in_one_version_while_documents_come_and_go(
    world: World, other: HashEncoder, tmp_path: Path
) -> None:
    for number in range(20):
        world.add({"id": f"d{number:02}", "text": long_text(number), "metadata": {"n": number}})
    world.index_all()
    before = world.search("text 7", exact=True).hits
    rebuild = begun(world)
    job = world.records.job(rebuild.id)
    assert (job.source, job.total, job.finished) == ("rebuild", 20, False)
    let_things_happen(world)
    assert world.manifest().space_id == world.collection.space.id
    assert world.search("text 7", exact=True).hits[0].score == before[0].score
    last_old, documents, seen = world.head().version, world.live_documents(), contents(world)
    assert documents.keys() == {f"d{n:02}" for n in range(20)} - {"d04"} | {"new"}
    while world.head().version == last_old:
        assert step(world)
    swapped = last_old + 1
    done = last(world)
    assert (done.state, done.version, done.progress.done) == (RebuildState.DONE, swapped, 20)
    report = world.records.version("c", swapped)
    assert (report.version, report.kind, report.documents) == (swapped, VersionKind.REBUILD, 20)
    assert not step(world)
    job = world.records.job(rebuild.id)
    assert (job.counts, job.finished, job.version) == ({State.INDEXED: 20}, True, swapped)

    check_cut_anew(world, other, documents.keys())
    now = contents(world)
    assert {version: now[version] for version in seen} == seen
    assert not world.versions.diff(1, last_old, swapped, limit=9, cursor=None).changes
    assert world.search("text 7", version=1, exact=True).hits == before
    assert not examined(world).findings
    check_searches(world, swapped)
    check_what_comes_later(world, last_old, swapped, now)
    export(world, tmp_path / "old.tar", "1")
    with World.open(tmp_path / "copy", others=[other]) as copy:
        assert not import_(copy, tmp_path / "old.tar", "copied").waiting
    database_of(world).migrate()
    with database_of(world).read() as tx:
        oldest = "SELECT value FROM counters WHERE name = 'oldest_program'"
        assert tx.exec_driver_sql(oldest).scalar_one() == 11


def let_things_happen(world: World) -> None:
    """Change documents between the steps of a rebuild, each of them indexed at once."""
    few = replace(world, bench=replace(world.bench, max_documents=4))
    changes: list[Mapping[str, Json] | None] = [
        {"id": "d03", "text": "changed three", "metadata": {"n": 103}},
        {"id": "new", "text": "brand new", "metadata": {"n": 1000}},
        None,
        {"id": "d19", "text": long_text(19), "metadata": {"n": 119}},
        {"id": "d00", "text": "changed nought", "metadata": {"n": 100}},
    ]
    for change in changes:
        assert step(few)
        if change is None:
            submit(world.inbox, world.bell, deletion("d04", collection="c", source="api"))
        else:
            world.add(change)
        assert index_next(few.bench)


def check_cut_anew(world: World, other: HashEncoder, documents: Collection[str]) -> None:
    """Assert that every document is there once, cut by the new rule."""
    space = live(world).space
    assert (space.encoder, space.dimension, space.chunking) == (OTHER, 48, SHORT)
    counts = Counter(name for name, _ in contents(world)[world.head().version])
    assert counts.keys() == set(documents)
    for name in documents:
        said = world.records.document("c", name)
        wanted = other.chunk(said.title, said.text, SHORT).passages
        assert counts[name] == len(wanted)
        spans = [(one.start, one.end) for one in said.chunks]
        assert spans == [(one.start, one.end) for one in wanted]


def check_searches(world: World, swapped: int) -> None:
    """Assert that searches of both spaces find what they should."""
    assert world.found("changed nought")[0] == "d00"
    where = read_text("n >= 100", SEARCH_LIMITS.filter)
    narrow = SearchRequest(collection="c", query="text", where=where, min_version=swapped, k=10)
    found = {hit.id for hit in search(world.searcher, narrow).hits}
    assert found == {"d03", "new", "d19", "d00"}
    vector = SearchRequest(collection="c", vector=(1.0,) * 32, version=1)
    assert search(world.searcher, vector).hits
    with pytest.raises(InvalidRequest, match="32 values; the collection's vectors have 48"):
        search(world.searcher, replace(vector, version=swapped))
    like = SearchRequest(collection="c", like="d07", min_version=swapped)
    assert search(world.searcher, like).hits
    both = compare_rankings(
        shelf_of(world), world.searcher, "c", "text 7", before="1", after=str(swapped), k=5
    )
    assert any("compare ranks" in one for one in both.warnings)


def check_what_comes_later(
    world: World, last_old: int, swapped: int, now: dict[int, list[tuple[str, str]]]
) -> None:
    """Assert that documents go into the live space, and that a restore can change which it is."""
    space = live(world).space
    world.add({"id": "later", "text": "after the swap"}, {"id": "d01", "text": long_text(1)})
    world.index_all()
    assert world.manifest().space_id == space.id
    restored = restore(shelf_of(world), "c", str(last_old))
    assert live(world).space == world.collection.space
    assert contents(world)[restored.head.version] == now[last_old]
    world.add({"id": "d05", "text": "five, in the old space again"})
    world.index_all()
    assert world.found("five, in the old space again")[0] == "d05"
    again = restore(shelf_of(world), "c", str(swapped))
    assert live(world).space == space
    assert contents(world)[again.head.version] == now[swapped]
    assert not examined(world).findings


def test_what_no_worker_holds_of_a_rebuild_waits_in_its_lane_and_its_remains_are_known(
    world: World,
) -> None:
    texts = [long_text(number) for number in range(5)]
    world.add(*({"id": f"d{number}", "text": text} for number, text in enumerate(texts)))
    world.index_all()
    assert world.waiting.lanes() == []
    rebuild = begun(world)

    (before,) = world.waiting.lanes()
    claim = world.renditions.claim(
        rebuild.id, "host:9", max_characters=10_000, max_documents=2, lease_seconds=30.0
    )
    (after,) = world.waiting.lanes()

    assert before.lane is Lane.REBUILD
    assert before.load == Load(documents=5, characters=sum(map(len, texts)))
    assert 0 <= before.oldest_seconds <= after.oldest_seconds < 60
    assert claim
    assert after.load.documents == 5 - len(claim.revisions) == 3
    assert world.rebuilds.remains(older_than_seconds=-1) == []
    world.rebuilds.cancel("c")
    assert world.waiting.lanes() == []
    assert world.rebuilds.remains(older_than_seconds=60) == []
    assert world.rebuilds.remains(older_than_seconds=-1) == [world.collection.id]
    while world.renditions.clear(world.collection.id, limit=1):
        pass
    assert world.rebuilds.remains(older_than_seconds=-1) == []


def test_the_same_wish_is_the_same_rebuild_and_another_is_refused(world: World) -> None:
    world.add({"id": "a", "text": "first"})
    world.index_all()
    same = world.collection.space.chunking
    assert ask(world, encoder=world.encoder.card.name, chunking=same) is None
    assert not world.renditions.running()
    first = begun(world)
    again = ask(world)
    assert again
    assert again.id == first.id
    with pytest.raises(RebuildUnderWay):
        ask(world, chunking=Chunking(max_tokens=24, overlap_tokens=0))
    with pytest.raises(EncoderNotInstalled):
        ask(world, encoder="nobody/nothing")

    step(world)
    cancelled = world.rebuilds.cancel("c")
    assert (cancelled.state, cancelled.progress.done) == (RebuildState.CANCELLED, 1)
    with pytest.raises(RebuildNotFound):
        world.rebuilds.cancel("c")
    assert not step(world)
    assert live(world).space == world.collection.space
    job = world.records.job(first.id)
    assert job.finished
    assert job.cancelled_at
    collect(keeper_of(world), live(world), dry_run=False)
    assert keys_on_disk(world) == needed_keys(world)
    assert tables(world) == {"renditions": 0, "parts": 0, "chunks": 1}

    second = begun(world)
    world.claims.cancel(second.id)  # as the page of its job does
    assert last(world).state is RebuildState.CANCELLED


def tables(world: World) -> dict[str, int]:
    """Return how many rows there are of what rebuilds write."""
    with database_of(world).read() as tx:
        return {
            name: tx.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()
            for name in ("renditions", "parts", "chunks")
        }


def test_what_the_new_encoder_cannot_encode_stops_the_swap_until_somebody_decides(
    world: World, other: HashEncoder
) -> None:
    world.add({"id": "good", "text": "fine"}, {"id": "bad", "text": "venom here"})
    world.index_all()
    begun(world)
    world.index_all()
    blocked = last(world)
    assert (blocked.state, blocked.progress.done, blocked.progress.failed) == (
        RebuildState.BLOCKED,
        1,
        1,
    )
    (failure,) = world.rebuilds.failures(blocked, limit=10)
    assert (failure.document, "venom" in failure.error) == ("bad", True)
    assert world.head().version == 1
    assert world.found("venom here")[0] == "bad"

    ask(world)  # tries it once more
    assert last(world).state is RebuildState.BUILDING
    world.index_all()
    assert last(world).state is RebuildState.BLOCKED
    ask(world, force=True)
    world.index_all()
    assert last(world).state is RebuildState.DONE
    assert world.records.version("c", 2).documents == 1
    assert world.live_documents() == {"good": 1}
    report = world.records.document("c", "bad")
    assert report.state is State.FAILED
    assert report.error == failure.error
    collect(keeper_of(world), live(world), dry_run=False)
    assert world.search("venom here", version=1).hits[0].id == "bad", "version 1 still has it"
    assert not examined(world).findings
    restore(shelf_of(world), "c", "1")
    assert world.records.document("c", "bad").state is State.INDEXED
    assert world.live_documents() == {"good": 1, "bad": 1}


def test_what_was_encoded_for_the_old_space_is_encoded_again_after_the_swap(small: World) -> None:
    small.add({"id": "a", "text": "first"})
    small.index_all()
    begun(small)
    small.add({"id": "b", "text": "second"}, {"id": "a", "text": "first", "metadata": {"n": 1}})
    claim = small.claim()
    while step(small):  # the swap comes before the claim is published
        pass
    assert last(small).state is RebuildState.DONE
    small.finish(claim)
    assert small.live_documents() == {"a": 1}
    small.index_all()
    assert small.live_documents() == {"a": 1, "b": 1}
    assert small.manifest().space_id == live(small).space.id
    assert not examined(small).findings


class Overtaking(FolderIndexStore):
    """An index store in which something else happens, once, while the swap is prepared."""

    def __init__(self, root: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._meanwhile: Callable[[], None] | None = meanwhile

    def open(self, manifest: Manifest) -> FolderSnapshot:
        if manifest.kind is VersionKind.REBUILD and self._meanwhile:
            meanwhile, self._meanwhile = self._meanwhile, None
            opened = super().open(manifest)
            meanwhile()
            return opened
        return super().open(manifest)


def overtaken(world: World, meanwhile: Callable[[], None]) -> World:
    """Return *world* with a worker whose swap is overtaken by *meanwhile*."""
    store = Overtaking(world.folder / "index", meanwhile)
    return replace(world, bench=replace(world.bench, store=store))


def test_parts_that_are_merged_while_the_swap_is_prepared_make_it_begin_again(
    small: World,
) -> None:
    small.add(*({"id": f"d{n}", "text": long_text(n)} for n in range(6)))
    small.index_all()

    def tidy_up() -> None:
        assert merge_part_next(small.upkeep(), small.renditions)
        collect(keeper_of(small), live(small), dry_run=False)

    slow = overtaken(small, tidy_up)
    slow = replace(slow, bench=replace(slow.bench, max_documents=3))
    begun(small)
    while last(small).state is not RebuildState.DONE:
        assert step(slow)
    missing = needed_keys(small) - keys_on_disk(small)
    assert not missing, f"[kept-files] the new version lists files that are gone: {missing}"
    assert small.segments() == 1
    assert not examined(small).findings


def test_a_rebuild_that_is_overtaken_at_its_end_holds_the_others_back(world: World) -> None:
    world.add({"id": "a", "text": "first"})
    world.index_all()

    def publish_another() -> None:
        world.add({"id": "late", "text": "came late"})
        world.finish(world.claim())

    slow = overtaken(world, publish_another)
    begun(world)
    for _ in range(2):
        assert step(slow)
    assert last(world).state is RebuildState.SWAPPING
    added = world.add({"id": "b", "text": "waits a little"})
    (held,) = world.renditions.running()
    assert held.held
    assert world.waiting.whereabouts(added.job_id).held_until
    assert not world.claims.claim(
        "host:9",
        fingerprints=[one.fingerprint for one in world.bench.encoders.cards()],
        max_lane=2,
        max_characters=1000,
        max_documents=10,
        lease_seconds=10,
    )
    slow.index_all()  # first the rebuild, then what it held back
    assert last(world).state is RebuildState.DONE
    assert world.live_documents() == {"a": 1, "late": 1, "b": 1}


def test_a_document_that_kills_its_workers_blocks_the_rebuild_and_nothing_else(
    world: World,
) -> None:
    world.add(*({"id": f"d{n}", "text": f"text {n}"} for n in range(6)))
    world.index_all()
    rebuild = begun(world)
    deaths = 0
    while last(world).state is RebuildState.BUILDING:
        claim = world.renditions.claim(
            rebuild.id, "host:7", max_characters=10_000, max_documents=100, lease_seconds=30
        )
        assert claim
        if any(one.external_id == "d4" for one in claim.revisions):
            deaths += 1
            world.claims.reap(worker="host:7", max_crashes=2)
            continue
        world.claims.release(claim.id, delay_seconds=0, reason="another takes it")
        assert step(world)
    assert deaths < 10
    (failure,) = world.rebuilds.failures(last(world), limit=10)
    assert failure.document == "d4"
    assert "died twice" in failure.error or "died 2 times" in failure.error
    assert last(world).progress.done == 5


def test_a_purge_erases_from_the_space_that_is_being_built_too(small: World) -> None:
    small.add({"id": "gone", "text": "a secret"}, {"id": "stays", "text": "no secret"})
    small.index_all()
    begun(small)
    assert step(small)
    held = sum(one.rows for one in small.renditions.parts(small.collection.id))
    purge(purger_of(small), "c", "gone")
    left = small.renditions.parts(small.collection.id)
    assert (held, sum(one.rows for one in left)) == (2, 1)
    small.index_all()
    assert last(small).state is RebuildState.DONE
    assert small.live_documents() == {"stays": 1}
    assert not examined(small).findings


def test_garbage_collection_leaves_a_rebuild_alone_and_clears_the_old_space_at_last(
    world: World,
) -> None:
    world.add(*({"id": f"d{n}", "text": long_text(n)} for n in range(8)))
    world.index_all()
    slow = replace(world, bench=replace(world.bench, max_documents=3))
    begun(world)
    assert step(slow)
    collect(keeper_of(world), keep_only(world, 1), dry_run=False)
    assert world.renditions.parts(world.collection.id)
    missing = needed_keys(world) - keys_on_disk(world)
    assert not missing, f"[kept-files] parts are gone: {missing}"
    world.index_all()
    assert last(world).state is RebuildState.DONE
    world.versions.tag(world.collection.id, 1, "old")
    collect(keeper_of(world), live(world), dry_run=False)
    chunks = world.manifest().live
    assert tables(world)["chunks"] == 8 + chunks, "a tagged version keeps those of its space"
    world.versions.untag(world.collection.id, "old")
    collect(keeper_of(world), live(world), dry_run=False)
    assert tables(world) == {"renditions": 0, "parts": 0, "chunks": chunks}
    assert keys_on_disk(world) == needed_keys(world)
    assert not examined(world).findings


def test_parts_are_merged_before_anybody_searches_them(small: World) -> None:
    small.add(*({"id": f"d{n}", "text": long_text(n)} for n in range(12)))
    small.index_all()
    slow = replace(small, bench=replace(small.bench, max_documents=3))
    begun(small)
    for _ in range(4):
        assert step(slow)
    assert len(small.renditions.parts(small.collection.id)) == 4
    while merge_part_next(small.upkeep(), small.renditions):
        pass
    assert len(small.renditions.parts(small.collection.id)) == 1
    small.index_all()
    assert last(small).state is RebuildState.DONE
    assert small.segments() == 1
    assert not examined(small).findings


def test_versions_of_two_spaces_are_repaired_each_in_its_own(small: World) -> None:
    small.add(*({"id": f"d{n}", "text": long_text(n)} for n in range(6)))
    small.index_all()
    begun(small)
    small.index_all()
    for path in small.files("vectors.f16") + small.files("codes.u16") + small.files("data.faiss"):
        path.write_bytes(path.read_bytes()[:-1])
    damages = examined(small).damages
    assert len({one.segment_id for one in damages}) == 2
    repairer = replace(repairer_of(small), encoders=small.bench.encoders)
    done = repair(repairer, live(small), damages)
    assert (done.lost, done.versions) == ((), (1, 2))
    assert not examined(small).findings


def test_a_backup_has_nothing_half_built_so_the_rebuild_begins_anew(
    small: World, tmp_path: Path
) -> None:
    small.add({"id": "a", "text": "first"}, {"id": "b", "text": "second"})
    small.index_all()
    begun(small)
    assert step(small)
    copied = Database(f"sqlite:///{tmp_path / 'copied.db'}")
    with SqlDump(database_of(small)).reading() as rows:
        SqlDump(copied).load(rows)
    copied.close()
    with World.open(tmp_path, database_url=f"sqlite:///{tmp_path / 'copied.db'}") as found:
        assert tables(found) == {"renditions": 0, "parts": 0, "chunks": 2}
        assert last(found).progress.waiting == 2


def test_warnings_are_those_of_the_space_that_is_searched(small: World) -> None:
    small.add({"id": "long", "text": long_text(12)})
    small.index_all()
    begun(small, chunking=Chunking(mode=ChunkingMode.NONE, max_tokens=16, overlap_tokens=0))
    small.index_all()
    (warned,) = small.records.document("c", "long").warnings
    assert warned.startswith("Cut after 16")
    begun(small, chunking=SHORT)
    small.index_all()
    assert not small.records.document("c", "long").warnings


def test_a_collection_that_is_being_rebuilt_can_be_deleted_and_removed_for_good(
    world: World,
) -> None:
    world.add({"id": "a", "text": "first"}, {"id": "b", "text": "second"})
    world.index_all()
    few = replace(world, bench=replace(world.bench, max_documents=1))
    rebuild = begun(world)
    assert step(few)
    claim = world.renditions.claim(
        rebuild.id, "host:7", max_characters=1000, max_documents=1, lease_seconds=30
    )
    discards = SqlDiscards(database_of(world))
    discards.discard("c")
    assert not world.renditions.running(), "nobody works on it while it is deleted"
    while remove_next(discards, world.store, deleted_days=0):
        pass
    assert claim
    assert tables(world) == {"renditions": 0, "parts": 0, "chunks": 0}
    assert not keys_on_disk(world)
