"""Every kind of file, harmed in every way: found, never served, and rebuilt to what it was."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from shared.domain import Attempt, ChoreKind, Chunking, Ids, IndexRule, Metric, Policy, Segment
from shared.errors import Busy, CorruptFile
from shared.index import FolderIndexStore
from shared.settings import MergeSettings
from shared.trust.checking import check
from shared.trust.repairing import repair
from shared.upkeep.chores import Duty
from shared.upkeep.merging import relay_next
from tests.fakes.encoder import HashEncoder
from tests.keeping import live_versions
from tests.refusals import refused
from tests.trust import (
    HARMS,
    assert_same,
    checker_of,
    examine,
    flip,
    lived_world,
    manifest_of,
    manifest_path,
    mend,
    put,
    repairer_of,
    see,
    segment_folder,
    shift_of,
)
from tests.worlds import World

OLD = 7
"""A version before the merge, with a delete set."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with lived_world(tmp_path) as opened:
        yield opened


def folder_of_new(world: World) -> Path:
    """Return the folder of the head's last segment, with two vectors nobody else holds."""
    return segment_folder(world, manifest_of(world, world.head().version).segments[-1].id)


def dead_of_head(world: World) -> Path:
    """Return a delete set of the head."""
    segments = manifest_of(world, world.head().version).segments
    (name,) = [one.deletes.file for one in segments if one.deletes]
    return world.folder / "index" / str(world.collection.id) / "deletes" / name


def target(world: World, kind: str) -> Path:
    """Return the file to be harmed."""
    if kind == "dead":
        return dead_of_head(world)
    if kind == "head manifest":
        return manifest_path(world, world.head().version)
    if kind == "old manifest":
        return manifest_path(world, OLD)
    return folder_of_new(world) / kind


ENCODED = {"segment.json": 2, "ids.i64": 2, "data.faiss": 2}
"""Vectors that only the harmed file held; all others are read from what is left."""

FILES = ["segment.json", "ids.i64", "data.faiss", "dead", "head manifest", "old manifest"]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("kind", FILES)
def test_whatever_is_harmed_is_found_never_served_and_repaired(
    world: World, kind: str, harm: str
) -> None:
    before = see(world)
    path = target(world, kind)
    HARMS[harm](path)

    with refused(CorruptFile, f"[damage] {path.name}, {harm}, was served"):
        see(world)
    found = examine(world, sample=0)
    assert [one.where for one in found.findings] == [str(path.relative_to(world.folder / "index"))]

    encoded = world.encoder.encoded
    report = mend(world)

    assert report.lost == ()
    assert report.repaired == (found.findings[0].where,)
    assert set(report.versions) == set(found.findings[0].versions)
    assert world.encoder.encoded - encoded == report.encoded == ENCODED.get(kind, 0)
    assert world.chores.damages() == []
    assert_same(before, see(world))
    assert examine(world).findings == ()


def test_a_head_that_was_repaired_is_what_the_next_version_is_built_on(world: World) -> None:
    (folder_of_new(world) / "data.faiss").unlink()
    mend(world)

    put(world, 60)
    put(world, 50, text="changed")

    live = world.live_documents()
    assert set(live.values()) == {1}
    assert {"d50", "d51", "d60"} <= live.keys()
    assert examine(world).findings == ()


def test_a_process_that_has_the_damaged_file_open_does_not_take_it_for_sound(world: World) -> None:
    before = see(world)
    opened = world.store.open(world.manifest())
    assert opened.search(world.vectors()[:1], 1)[1].size
    flip(folder_of_new(world) / "data.faiss")

    collection = world.collections.get("c")
    found = check(checker_of(world, store=world.store), collection, sample=0)
    report = repair(repairer_of(world, store=world.store), collection, found.damages)

    assert (report.encoded, report.relaid) == (2, 0)
    assert_same(before, see(world))


def test_a_whole_folder_that_is_gone_is_rebuilt(world: World) -> None:
    before = see(world)
    for path in folder_of_new(world).iterdir():
        path.unlink()
    folder_of_new(world).rmdir()

    assert mend(world).encoded == 2

    assert_same(before, see(world))


def test_vectors_that_other_segments_hold_are_not_encoded_again(world: World) -> None:
    before = see(world)
    merged = manifest_of(world, world.head().version).segments[0]
    inputs = {segment.id for segment in manifest_of(world, OLD).segments}
    assert merged.id not in inputs
    flip(segment_folder(world, merged.id) / "data.faiss")

    report = mend(world)

    assert (report.encoded, report.copied) == (0, merged.rows)
    assert_same(before, see(world))


def test_inputs_of_a_merge_are_rebuilt_from_what_was_merged(world: World) -> None:
    before = see(world)
    for segment in manifest_of(world, 4).segments:
        flip(segment_folder(world, segment.id) / "ids.i64")

    report = mend(world)

    # One vector died before the merge, so only its own segment held it.
    assert report.copied == 7
    assert report.encoded == 1
    assert_same(before, see(world))


def test_when_everything_is_harmed_everything_comes_from_the_catalog(world: World) -> None:
    before = see(world)
    for path in (world.folder / "index").rglob("*.*"):
        path.unlink()

    report = mend(world)

    assert report.lost == ()
    assert report.copied == 0
    assert set(report.versions) == set(before)
    assert report.encoded == len({one for seen in before.values() for one in seen.ids})
    assert_same(before, see(world))
    assert examine(world).findings == ()


def test_the_only_version_s_manifest_is_found_again_by_the_catalog_s_mirror(tmp_path: Path) -> None:
    with World.open(tmp_path) as world:
        put(world, 1, 2, 3)
        before = see(world)
        manifest_path(world, 1).unlink()

        assert mend(world).encoded == 0

        assert_same(before, see(world))


@contextmanager
def laid_out(folder: Path, policy: Policy) -> Iterator[World]:
    """Open a world of one long document, laid out as *policy* in its second version."""
    merge = MergeSettings(floor=256, ann_from=256, threads=1)
    chunking = Chunking(max_tokens=16, overlap_tokens=0)
    with World.open(folder, merge=merge, chunking=chunking) as world:
        world.collections.configure("c", index=IndexRule(policy=policy))
        world.add({"id": "long", "text": " ".join(f"w{number}" for number in range(16 * 300))})
        world.index_all()
        assert relay_next(world.upkeep())
        yield world


def policy_of(world: World, version: int) -> Policy:
    """Return how the only segment of a version is laid out."""
    (segment,) = manifest_of(world, version).segments
    return segment.layout.policy if segment.layout else Policy.FLAT


@pytest.mark.parametrize(
    ("policy", "harm"),
    [
        (Policy.HNSW, "flipped"),
        pytest.param(Policy.HNSW, "truncated", marks=pytest.mark.slow),
        pytest.param(Policy.HNSW, "missing", marks=pytest.mark.slow),
        (Policy.SQ8, "flipped"),
    ],
)
def test_a_damaged_search_structure_is_laid_out_anew_without_encoding(
    tmp_path: Path, policy: Policy, harm: str
) -> None:
    with laid_out(tmp_path, policy) as world:
        before = see(world)
        assert policy_of(world, 2) is policy, "the test needs it"
        HARMS[harm](segment_folder(world, manifest_of(world, 2).segments[0].id) / "ann.faiss")
        with refused(CorruptFile, f"[damage] ann.faiss, {harm}, was served"):
            see(world)

        report = mend(world)

        assert (report.encoded, report.copied, report.relaid) == (0, 0, 300)
        assert report.versions == (2,)
        assert_same(before, see(world))
        assert policy_of(world, 2) is policy


def test_a_rebuilt_segment_is_laid_out_again(tmp_path: Path) -> None:
    with laid_out(tmp_path, Policy.HNSW) as world:
        before = see(world)
        for version in (1, 2):
            (segment,) = manifest_of(world, version).segments
            flip(segment_folder(world, segment.id) / "data.faiss")

        assert mend(world).encoded == 300

        assert_same(before, see(world))
        assert policy_of(world, 2) is Policy.HNSW


def test_without_the_encoder_the_rest_is_repaired_and_the_loss_is_named(world: World) -> None:
    before = see(world)
    flip(folder_of_new(world) / "data.faiss")
    flip(manifest_path(world, OLD))
    damages = examine(world, sample=0).damages
    absent = HashEncoder("lamina/other", dimension=16)

    report = repair(repairer_of(world, encoder=absent), world.collections.get("c"), damages)

    head = world.head().version
    assert report.versions == (OLD,)
    assert len(report.lost) == 1
    assert f"Version {head}: 2 vectors are lost" in report.lost[0]
    assert world.encoder.card.name in report.lost[0]
    assert [one.key for one in world.chores.damages()] == [
        one.key for one in damages if one.segment_id
    ]
    assert mend(world).lost == ()
    assert_same(before, see(world))


def test_a_text_that_is_gone_or_refused_is_named_and_nothing_is_made_up(world: World) -> None:
    flip(folder_of_new(world) / "data.faiss")
    world.encoder.refuse("51")

    report = mend(world)

    assert report.versions == ()
    assert "1 vector is lost" in report.lost[0]
    assert "cannot be encoded" in report.lost[0]
    with pytest.raises(CorruptFile):
        see(world)


class Interrupted(FolderIndexStore):
    """An index store in which something happens once, while a segment is written."""

    def __init__(self, world: World) -> None:
        super().__init__(world.folder / "index", merge=world.merge)
        self.meanwhile = [lambda: put(world, 70), lambda: put(world, 51, text="changed")]

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: np.ndarray
    ) -> Segment:
        written = super().write_segment(
            attempt, space_id=space_id, metric=metric, ids=ids, vectors=vectors
        )
        while self.meanwhile:
            self.meanwhile.pop(0)()
        return written


def test_versions_published_during_a_repair_are_repaired_too(world: World) -> None:
    before = see(world)
    # The store that index workers use has the segment open, as any process that lives long.
    opened = world.store.open(world.manifest())
    flip(folder_of_new(world) / "ids.i64")
    damages = examine(world, sample=0).damages

    store = Interrupted(world)
    report = repair(repairer_of(world, store=store), world.collections.get("c"), damages)

    assert opened.ids().size
    head = world.head().version
    assert report.lost == ()
    assert {head - 1, head} <= set(report.versions)
    after = see(world)
    assert_same(before, {version: after[version] for version in before})
    live = world.live_documents()
    assert {"d50", "d51", "d70"} <= live.keys()
    assert set(live.values()) == {1}
    assert examine(world).findings == ()


def test_two_repairs_at_once_are_refused(world: World) -> None:
    other = shift_of(world, holder="other:1")
    with Duty(other, world.collection.id, ChoreKind.REWRITE, "x"), pytest.raises(Busy):
        mend(world)


def test_a_repair_of_what_is_sound_changes_nothing(world: World) -> None:
    before = [one.manifest_sha256 for one in live_versions(world)]

    report = mend(world)

    assert (report.versions, report.repaired, report.lost) == ((), (), ())
    assert [one.manifest_sha256 for one in live_versions(world)] == before


def test_searches_go_on_during_a_repair(world: World) -> None:
    flip(folder_of_new(world) / "data.faiss")
    answered = [hit.id for hit in world.search("text 3", version=3).hits]
    stop, failures = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                found = [hit.id for hit in world.search("text 3", version=3).hits]
                if found != answered:
                    failures.append(f"another answer: {found}")
            except CorruptFile as error:
                failures.append(str(error))

    searching = threading.Thread(target=look)
    searching.start()
    try:
        mend(world)
    finally:
        stop.set()
        searching.join()

    assert failures == []
