"""Kept originals go where the rest goes: into backups and out again, past fsck and garbage."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.catalog import Database, SqlDump
from shared.domain import FindingKind, UploadState
from shared.errors import CorruptFile
from shared.transfer.backups import save
from shared.transfer.loading import Target, load
from shared.trust.checking import check
from shared.uploads.clearing import clear_away
from shared.uploads.parsing import parse_next
from tests.archives import installation_of, silent
from tests.fakes.encoder import FakeEncoders
from tests.keeping import database_of
from tests.mills import (
    attic_of,
    blobs_of,
    files_of,
    mill_of,
    parse_all,
    send,
    stored_keys,
    uploads_of,
)
from tests.trust import checker_of
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path / "a") as opened:
        opened.collections.configure("c", keep_originals=True)
        yield opened


def test_a_backup_brings_the_originals_and_what_waits_along(world: World, tmp_path: Path) -> None:
    receipt, _ = send(world, {"kept.txt": b"kept words", "waits.txt": b"waiting words"})
    assert receipt is not None
    assert parse_next(mill_of(world))
    world.index_all()
    source = replace(installation_of(world, database_of(world)), attic=attic_of(world))
    saved = save(source, tmp_path / "backup", models=None, step=silent)
    again = save(source, tmp_path / "backup", models=None, step=silent)
    assert (saved.copied - again.copied, again.kept) == (saved.copied, saved.copied)

    folder = tmp_path / "b"
    folder.mkdir()
    database = Database(f"sqlite:///{folder / 'catalog.db'}")
    target = Target(
        dump=SqlDump(database),
        index=folder / "index",
        models=folder / "models",
        files=folder / "uploads",
    )
    load(tmp_path / "backup", target, FakeEncoders(world.encoder), step=silent)
    database.close()

    with World.open(folder) as loaded:
        original = uploads_of(loaded).original("c", "kept.txt")
        assert original is not None
        assert blobs_of(loaded).path(original.bytes.key).read_bytes() == b"kept words"
        parse_all(mill_of(loaded))
        loaded.index_all()
        assert {one.state for one in files_of(loaded, receipt.job_id)} == {UploadState.DONE}
        assert sorted(loaded.live_documents()) == ["kept.txt", "waits.txt"]


def test_a_check_finds_originals_that_are_damaged_or_gone(world: World, tmp_path: Path) -> None:
    send(world, {"a.txt": b"alpha", "b.txt": b"beta"})
    parse_all(mill_of(world))
    world.index_all()
    checker = replace(checker_of(world), attic=attic_of(world))
    collection = world.collections.get("c")
    assert check(checker, collection, sample=0).findings == ()

    first, second = (blobs_of(world).path(key) for key in stored_keys(world))
    first.write_bytes(b"other")
    second.unlink()
    found = check(checker, collection, sample=0).findings
    assert {(one.kind, one.words.split(" ")[2]) for one in found} == {
        (FindingKind.ORIGINAL, "damaged:"),
        (FindingKind.ORIGINAL, "missing;"),
    }
    source = replace(installation_of(world, database_of(world)), attic=attic_of(world))
    with pytest.raises(CorruptFile):
        save(source, tmp_path / "backup", models=None, step=silent)


def test_a_file_that_replaced_another_takes_its_place(world: World) -> None:
    send(world, {"a.txt": b"first words"})
    parse_all(mill_of(world))
    world.index_all()
    send(world, {"a.txt": b"second words"})
    parse_all(mill_of(world))
    world.index_all()
    original = uploads_of(world).original("c", "a.txt")
    assert original is not None
    assert blobs_of(world).path(original.bytes.key).read_bytes() == b"second words"
    clear_away(attic_of(world), grace_seconds=0, failed_seconds=0, draft_seconds=3600)
    assert len(stored_keys(world)) == 2, "an old version still holds the first text"
    send(world, {"a.txt": b"second words"})
    parse_all(mill_of(world))
    clear_away(attic_of(world), grace_seconds=0, failed_seconds=0, draft_seconds=3600)
    assert len(stored_keys(world)) == 2, "of the same file twice one is kept"
