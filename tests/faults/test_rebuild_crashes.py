"""For each step of a rebuild: the process dies right there, and another one goes on."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import Chunking, RebuildState, SpaceDraft
from shared.failpoints import POINTS
from shared.ingest import deletion, submit
from shared.rebuilding.merging import merge_part_next
from shared.upkeep.garbage import collect
from tests.command_line import run_module
from tests.faults.crash_child import SETTINGS
from tests.keeping import contents, keeper_of, keys_on_disk, let_hours_pass, needed_keys
from tests.worlds import World

HERE = sorted(point for point in POINTS if point.split(".")[0] == "rebuild")
OF_THE_SWAP = ["publish.manifest_written", "publish.committed"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path, merge=SETTINGS["build-anew"]) as opened:
        opened.add(*({"id": f"d{n}", "text": f"text {n}. " + "word " * 4 * n} for n in range(10)))
        opened.index_all()
        yield opened


@pytest.mark.parametrize("point", [*HERE, *OF_THE_SWAP, "rebuild.kept:3"])
def test_whoever_dies_there_no_document_is_lost_and_none_is_twice(world: World, point: str) -> None:
    card = world.encoder.card
    rule = Chunking(max_tokens=8, overlap_tokens=0)
    world.rebuilds.begin(
        "c", SpaceDraft(encoder=card, metric=card.metric, chunking=rule), force=False
    )
    before = contents(world)[1]

    child = run_module(
        "tests.faults.crash_child", str(world.folder), point, "build-anew", seconds=60
    )
    assert child.returncode == -signal.SIGKILL, child.stderr

    swapped = world.head().version == 2
    assert swapped == (point in ("publish.committed", "rebuild.swapped"))
    assert swapped or contents(world)[1] == before, "until the swap all is as it was"
    # What the supervisor does when a child has died.
    world.claims.reap(worker=world.bench.worker, max_crashes=3)
    world.add({"id": "d3", "text": "changed"}, {"id": "new", "text": "fresh"})
    submit(world.inbox, world.bell, deletion("d4", collection="c", source="api"))
    let_hours_pass(world)
    merge_part_next(world.upkeep(), world.renditions)
    world.index_all()

    rebuild = world.rebuilds.last(world.collection.id)
    assert rebuild
    assert rebuild.state is RebuildState.DONE
    found = contents(world)
    names = {f"d{n}" for n in range(10)} - {"d4"} | {"new"}
    assert {name for name, _ in found[world.head().version]} == names
    wanted = {
        name: len(world.encoder.chunk(said.title, said.text, rule).passages)
        for name in names
        for said in [world.records.document("c", name)]
    }
    assert world.live_documents() == wanted, "each document is there once, as the new rule cuts it"
    assert found[1] == before
    assert world.records.version("c", world.head().version).documents == len(names)
    collect(keeper_of(world), world.collections.get("c"), dry_run=False)
    assert keys_on_disk(world) == needed_keys(world)


def test_there_is_a_failure_point_at_every_step() -> None:
    assert len(HERE) == 7
