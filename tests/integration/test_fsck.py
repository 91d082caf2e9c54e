"""Checks of an index: a sound one passes, and everything that can be wrong is found."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from shared.catalog.tables import ChunkRow, HeadRow, LivenessRow, RevisionRow, VersionRow
from shared.domain import ChoreKind, Damage, FindingKind
from shared.errors import Busy
from shared.trust.checking import check, scrub_next
from shared.upkeep.chores import Duty
from tests.command_line import run_command
from tests.fakes.encoder import HashEncoder
from tests.keeping import database_of, live_versions
from tests.trust import (
    checker_of,
    examine,
    flip,
    live_a_little,
    manifest_of,
    put,
    segment_folder,
    shift_of,
)
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since both are compared with the files."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def kinds(world: World) -> set[FindingKind]:
    return {finding.kind for finding in examine(world).findings}


def test_a_sound_index_passes(world: World) -> None:
    live_a_little(world)

    report = examine(world)

    assert report.findings == ()
    assert report.skipped == ()
    assert list(report.versions) == [one.version for one in live_versions(world)]
    assert report.sampled == manifest_of(world, world.head().version).live
    assert world.chores.damages() == []
    done = world.chores.last(world.collection.id, ChoreKind.SCRUB)
    assert done is not None
    assert done.detail.endswith("all sound")


def test_an_empty_collection_passes(world: World) -> None:
    report = examine(world)

    assert (report.versions, report.findings, report.sampled) == ((), (), 0)


def test_a_damaged_file_is_found_with_the_versions_that_need_it(world: World) -> None:
    live_a_little(world)
    segment = manifest_of(world, 3).segments[1]
    flip(segment_folder(world, segment.id) / "data.faiss")

    (finding,) = examine(world).findings

    listing = [
        one.version
        for one in live_versions(world)
        if segment.id in [two.id for two in manifest_of(world, one.version).segments]
    ]
    assert finding.kind is FindingKind.FILE
    assert list(finding.versions) == listing
    assert finding.where.endswith(f"{segment.id}/data.faiss")
    (damage,) = world.chores.damages()
    assert (damage.key, damage.segment_id) == (finding.where, segment.id)


def test_what_is_sound_again_leaves_quarantine(world: World) -> None:
    put(world, 1)
    world.chores.report(
        [Damage(collection_id=world.collection.id, key="1/x", segment_id=None, reason="once")]
    )

    examine(world)

    assert world.chores.damages() == []


def test_a_wrong_count_in_the_catalog_is_found(world: World) -> None:
    live_a_little(world)
    with database_of(world).write() as tx:
        tx.execute(update(VersionRow).where(VersionRow.version == 4).values(vectors=999))

    (finding,) = examine(world).findings

    assert (finding.kind, finding.versions) == (FindingKind.TOTALS, (4,))
    assert "999" in finding.words


def test_a_vector_that_the_catalog_does_not_hold_live_is_found(world: World) -> None:
    live_a_little(world)
    with database_of(world).write() as tx:
        tx.execute(update(LivenessRow).where(LivenessRow.from_version == 5).values(from_version=6))

    (finding,) = examine(world).findings

    assert (finding.kind, finding.versions) == (FindingKind.LIVENESS, (5,))
    assert "in the files, but not in the catalog" in finding.words


def test_chunks_that_are_gone_are_found(world: World) -> None:
    put(world, 1, 2)
    with database_of(world).write() as tx:
        tx.execute(delete(ChunkRow))

    assert FindingKind.LIVENESS in kinds(world)


def test_a_head_that_is_not_the_newest_version_is_found(world: World) -> None:
    live_a_little(world)
    old = world.reading.version(world.collection.id, 5)
    with database_of(world).write() as tx:
        tx.execute(
            update(HeadRow).values(
                version=5,
                manifest_file=old.manifest_file,
                manifest_sha256=old.manifest_sha256,
            )
        )

    assert FindingKind.HEAD in kinds(world)


def test_a_vector_that_is_not_what_its_text_says_is_found(world: World) -> None:
    put(world, 1, 2, 3)
    with database_of(world).write() as tx:
        tx.execute(update(RevisionRow).where(RevisionRow.text == "text 2").values(text="other 4"))

    (finding,) = examine(world).findings

    assert finding.kind is FindingKind.VECTOR
    assert world.encoder.card.name in finding.words


def test_without_the_encoder_the_sample_is_left_out_and_said_so(world: World) -> None:
    put(world, 1)
    other = HashEncoder("lamina/other", dimension=16)

    report = check(checker_of(world, encoder=other), world.collections.get("c"), sample=10)

    assert (report.sampled, report.findings) == (0, ())
    assert world.encoder.card.name in report.skipped[0]


def test_two_checks_of_a_collection_at_once_are_refused(world: World) -> None:
    put(world, 1)
    with Duty(shift_of(world, holder="other:1"), world.collection.id, ChoreKind.SCRUB, "x") as duty:
        assert duty is not None
        with pytest.raises(Busy):
            examine(world)


def test_the_scrub_takes_turns_and_finds_damage(world: World) -> None:
    put(world, 1)
    world.create("d")
    segment = manifest_of(world, 1).segments[0]
    flip(segment_folder(world, segment.id) / "ids.i64")

    checker = checker_of(world)
    assert scrub_next(checker)
    assert scrub_next(checker)
    assert not scrub_next(checker), "each was read lately"

    (damage,) = world.chores.damages()
    assert damage.segment_id == segment.id
    assert scrub_next(checker_of(world, scrub_days=1e-9))


def fsck(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `lamina fsck` on the installation in *folder*, where no model is installed."""
    environment = {**os.environ, "LAMINA_DATA_DIR": str(folder)}
    return run_command("fsck", *options, environment=environment, folder=folder)


def test_the_command_tells_and_repairs(tmp_path: Path) -> None:
    with World.open(tmp_path) as world:
        live_a_little(world)
        merged = manifest_of(world, world.head().version).segments[0]
    sound = fsck(tmp_path)
    flip(segment_folder(world, merged.id) / "data.faiss")
    told = fsck(tmp_path, "c", "--json")
    repaired = fsck(tmp_path, "c", "--repair")
    unknown = fsck(tmp_path, "nowhere")

    assert sound.returncode == 0, sound.stderr
    assert "cannot be loaded" in sound.stdout, "the sample was left out"
    assert told.returncode == 1
    (report,) = json.loads(told.stdout)["checked"]
    assert report["findings"][0]["kind"] == "file"
    assert report["findings"][0]["where"].endswith(f"{merged.id}/data.faiss")
    assert repaired.returncode == 0, repaired.stderr
    assert "1 file repaired" in repaired.stdout
    assert fsck(tmp_path).returncode == 0
    assert unknown.returncode == 2
