"""A whole installation, saved while it runs, checked, and made anew somewhere else."""

import json
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import func, insert, inspect, select

from shared.catalog import Database, SqlDump
from shared.catalog.engine import migrating
from shared.catalog.tables import (
    AttemptRow,
    ChoreRow,
    ClaimRow,
    LeaseRow,
    ProcessRow,
    RejectionRow,
    RevisionRow,
    VersionRow,
)
from shared.domain import ChoreKind, Json, Rejection, State, sha256_of
from shared.errors import ArchiveRefused, ConfigurationError, CorruptFile, InvalidRequest
from shared.ingest import deletion, submit
from shared.ports import TablesNow
from shared.transfer.archives import sums
from shared.transfer.backups import Saved, check, save
from shared.transfer.loading import Loaded, Target, load
from tests.archives import contents, installation_of, silent
from tests.command_line import run_module
from tests.fakes.encoder import FakeEncoders
from tests.postgres import Postgres
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def database_of(world: World) -> Database:
    found = world.collections._database
    assert isinstance(found, Database)
    return found


def save_to(world: World, folder: Path, step: Callable[[int, int], None] = silent) -> Saved:
    return save(installation_of(world, database_of(world)), folder, models=None, step=step)


def load_into(folder: Path, backup: Path, url: str | None = None) -> Loaded:
    folder.mkdir(exist_ok=True)
    database = Database(url or f"sqlite:///{folder / 'catalog.db'}")
    target = Target(dump=SqlDump(database), index=folder / "index", models=folder / "models")
    try:
        return load(backup, target, FakeEncoders(), step=silent)
    finally:
        database.close()


def fill(world: World) -> None:
    """Publish versions, tag one, delete, refuse a message, and leave work in all states."""
    for number in range(6):
        world.add(
            {"id": f"d{number}", "text": f"text {number} é\U0001f600", "metadata": {"n": 0.1}}
        )
        world.index_all()
    world.versions.tag(world.collection.id, 3, "third")
    submit(world.inbox, world.bell, deletion("d0", collection="c", source="api"))
    world.add({"id": "d1", "text": "changed"}, key="once")
    world.index_all()
    world.inbox.take([Rejection(source="queue", raw=b"\x00\xff{", reason="not-json", detail="no")])
    world.roster.beat("host:1", "index")
    world.versions.hold(world.collection.id, 2, "reader", 60.0)


def versions_of(world: World) -> dict[int, object]:
    kept = [one.version for one in world.versions.kept(world.collection.id)]
    return {number: contents(world, "c", number) for number in kept}


def same(left: World, right: World) -> None:
    """Compare every kept version: documents, passages, vectors."""
    one, two = versions_of(left), versions_of(right)
    assert one.keys() == two.keys()
    assert [str(value) for value in one.values()] == [str(value) for value in two.values()]


def test_what_is_loaded_is_what_was_saved(world: World, tmp_path: Path) -> None:
    fill(world)
    saved = save_to(world, tmp_path / "backup")
    assert check(tmp_path / "backup", step=silent) == saved.card

    loaded = load_into(tmp_path / "new", tmp_path / "backup")

    assert loaded.missing == ()
    with World.open(tmp_path / "new") as copy:
        same(world, copy)
        assert copy.found("changed") == world.found("changed")
        assert copy.versions.tagged(copy.collection.id, "third") == 3
        assert copy.records.job(world.records.jobs(limit=1)[0].id).finished
        [rejection] = copy.refused()
        assert rejection.raw == b"\x00\xff{"
        repeated = copy.add({"id": "d1", "text": "changed"}, key="once")
        assert repeated.repeated, "idempotency keys come along"
        copy.add({"id": "later", "text": "after the load"})
        copy.index_all()
        assert "later" in copy.found("after the load")


def test_work_under_way_waits_again_and_nobody_holds_anything(world: World, tmp_path: Path) -> None:
    fill(world)
    world.add({"id": "held", "text": "claimed by a worker"})
    claim = world.claim()
    world.publications.register(world.collection.id, vectors=1, claim_id=claim.id, worker="host:1")
    world.add({"id": "waiting", "text": "not claimed"})
    world.chores.begin(world.collection.id, ChoreKind.MERGE, holder="host:2", lease_seconds=60)
    save_to(world, tmp_path / "backup")

    load_into(tmp_path / "new", tmp_path / "backup")

    with World.open(tmp_path / "new") as copy:
        with database_of(copy).read() as tx:
            assert tx.scalar(select(func.count()).where(RevisionRow.state == "claimed")) == 0
            for row in (ClaimRow, AttemptRow, ChoreRow):
                assert tx.scalar(select(func.count()).where(row.state == "active")) == 0, row
            assert tx.scalar(select(func.count()).select_from(LeaseRow)) == 0
            assert tx.scalar(select(func.count()).select_from(ProcessRow)) == 0
        assert copy.reading.waiting(copy.collection.id) == 2
        copy.index_all()
        assert {"held", "waiting"} <= set(copy.live_documents())
    assert world.reading.waiting(world.collection.id) == 2, "the original is as it was"


def test_ids_that_were_given_are_never_given_again(world: World, tmp_path: Path) -> None:
    fill(world)
    database = database_of(world)
    rejection = {
        "source": "q",
        "reason": "r",
        "detail": "d",
        "received_at": 0.0,
        "raw": b"",
        "id": 900,
    }
    with database.write() as tx:
        if database.sqlite:
            tx.execute(insert(RejectionRow), rejection)
        else:
            tx.exec_driver_sql("SELECT setval('rejections_id_seq', 900)")
        tx.execute(RejectionRow.__table__.delete())  # type: ignore[attr-defined]
    save_to(world, tmp_path / "backup")

    load_into(tmp_path / "new", tmp_path / "backup")

    with World.open(tmp_path / "new") as copy:
        copy.inbox.take([Rejection(source="q", raw=b"", reason="r", detail="d")])
        [kept] = copy.refused()
        assert kept.id == 901


def test_a_backup_moves_from_one_kind_of_database_to_another(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.new_database(migrated=False)
    with World.open(tmp_path) as small:
        fill(small)
        save_to(small, tmp_path / "backup")
        load_into(tmp_path / "middle", tmp_path / "backup", url)
        with World.open(tmp_path / "middle", database_url=url) as moved:
            same(small, moved)
            moved.add({"id": "more", "text": "on PostgreSQL"})
            moved.index_all()
            assert moved.found("PostgreSQL")[0] == "more"
            save_to(moved, tmp_path / "again")
            load_into(tmp_path / "back", tmp_path / "again")
            with World.open(tmp_path / "back") as back:
                same(moved, back)


def test_saving_while_documents_keep_coming_shows_one_moment(world: World, tmp_path: Path) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        number = 0
        try:
            while not stop.is_set():
                world.add(
                    {"id": f"d{number % 40}", "text": f"text {number}"},
                    {"id": f"e{number}", "text": f"text {number}"},
                )
                world.index_all()
                number += 1
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    fill(world)
    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(3):
            save_to(world, tmp_path / "backup")
    finally:
        stop.set()
        worker.join()
    assert failures == []

    load_into(tmp_path / "new", tmp_path / "backup")

    with World.open(tmp_path / "new") as copy:
        kept = versions_of(copy)
        assert len(kept) > 7
        assert kept.keys() <= versions_of(world).keys()
        for number, found in kept.items():
            assert str(found) == str(contents(world, "c", number))
        copy.index_all()
        assert copy.reading.waiting(copy.collection.id) == 0


def test_saving_again_copies_only_what_is_new(small: World, tmp_path: Path) -> None:
    fill(small)
    first = save_to(small, tmp_path / "backup")
    second = save_to(small, tmp_path / "backup")
    small.add({"id": "new", "text": "one more"})
    small.index_all()
    third = save_to(small, tmp_path / "backup")

    assert first.kept == 0
    assert (second.copied, second.kept) == (0, first.copied)
    assert 0 < third.copied <= 5
    assert third.kept == first.copied
    check(tmp_path / "backup", step=silent)


def test_files_of_versions_that_went_leave_the_backup(small: World, tmp_path: Path) -> None:
    fill(small)
    before = save_to(small, tmp_path / "backup")
    small.versions.release(small.collection.id, 2, "reader")
    gone = small.versions.expire(small.collection.id, [1, 2, 3, 4, 5])
    after = save_to(small, tmp_path / "backup")

    assert list(gone) == [1, 2, 4, 5], "the tagged one stays"
    assert after.card.versions == before.card.versions - 4
    assert after.removed > 0
    load_into(tmp_path / "new", tmp_path / "backup")
    with World.open(tmp_path / "new") as copy, database_of(copy).read() as tx:
        rows = tx.execute(select(VersionRow.version, VersionRow.state)).all()
        assert [row.version for row in rows if row.state == "buried"] == [1, 2, 4, 5]


def test_kept_versions_are_leased_while_they_are_copied(small: World, tmp_path: Path) -> None:
    fill(small)
    small.versions.release(small.collection.id, 2, "reader")
    gone: list[int] = []

    def expire(_done: int, _total: int) -> None:
        gone.extend(small.versions.expire(small.collection.id, [1, 2, 4, 5]))

    save_to(small, tmp_path / "backup", expire)
    assert gone == []
    assert small.versions.expire(small.collection.id, [1]) == [1], "released at the end"


def test_encoders_are_copied_when_asked_for(small: World, tmp_path: Path) -> None:
    fill(small)
    model = tmp_path / "models" / "lamina--hash"
    (model / "1_Pooling").mkdir(parents=True)
    (model / "weights").write_bytes(b"w" * 3_000_000)
    (model / "1_Pooling" / "config.json").write_text("{}")
    (tmp_path / "models" / ".draft").mkdir()
    (tmp_path / "models" / ".draft" / "half").write_text("x")
    installation = installation_of(small, database_of(small))

    saved = save(installation, tmp_path / "backup", models=tmp_path / "models", step=silent)
    assert [one.name for one in saved.card.models] == ["lamina/hash"]
    check(tmp_path / "backup", step=silent)
    load_into(tmp_path / "new", tmp_path / "backup")

    copied = tmp_path / "new" / "models"
    assert [one.name for one in copied.iterdir()] == ["lamina--hash"]
    assert (copied / "lamina--hash" / "weights").read_bytes() == b"w" * 3_000_000
    assert (copied / "lamina--hash" / "1_Pooling" / "config.json").read_text() == "{}"


class Older:
    """The tables of a catalog as the first release would have written them."""

    revision = "0001"

    def __init__(self, tables: TablesNow, columns: Mapping[str, frozenset[str]]) -> None:
        self._tables = tables
        self._columns = columns
        self.names = tuple(name for name in tables.names if name in columns)
        self.sequences = {name: last for name, last in tables.sequences.items() if name in columns}

    def rows(self, table: str) -> Iterator[Mapping[str, Json]]:
        for row in self._tables.rows(table):
            yield {name: row[name] for name in row.keys() & self._columns[table]}


def first_release(url: str) -> Mapping[str, frozenset[str]]:
    """Make a catalog as the first release did; return its columns by table."""
    database = Database(url)
    with database.write() as tx:
        command.upgrade(migrating.config(tx), Older.revision)
        found = inspect(tx)
        columns = {
            name: frozenset(one["name"] for one in found.get_columns(name))
            for name in found.get_table_names()
        }
    with pytest.raises(ConfigurationError, match="lamina migrate"), SqlDump(database).reading():
        pass
    database.close()
    return columns


def test_a_backup_of_an_older_lamina_is_brought_up_to_date(small: World, tmp_path: Path) -> None:
    fill(small)
    columns = first_release(f"sqlite:///{tmp_path / 'old.db'}")
    (tmp_path / "new").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'new' / 'catalog.db'}")
    with SqlDump(database_of(small)).reading() as tables:
        SqlDump(database).load(Older(tables, columns))
    database.close()
    shutil.copytree(tmp_path / "index", tmp_path / "new" / "index")

    with World.open(tmp_path / "new") as copy:
        same(small, copy)
        assert copy.collections.get("c").retention == small.collection.retention


# --- damage ---------------------------------------------------------------------------------------


def one_of(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


KINDS = (
    "backup.json",
    "catalog-*/SHA256SUMS",
    "catalog-*/revisions.jsonl.gz",
    "catalog-*/claims.jsonl.gz",
    "index/*/segments/*/ids.i64",
    "index/*/segments/*/segment.json",
    "index/*/segments/*/data.faiss",
    "index/*/deletes/*",
    "index/*/manifests/*",
)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lose(path: Path) -> None:
    path.unlink()


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    with World.open(folder) as world:
        for number in range(3):
            world.add({"id": f"d{number}", "text": "a b"}, {"id": f"e{number}", "text": "c d"})
            world.index_all()
        world.add({"id": "d0", "text": "changed"})
        world.index_all()
        save_to(world, folder / "backup")
    return folder / "backup"


@pytest.mark.parametrize("damage", [flip, cut, lose])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_backup_is_refused(
    tmp_path: Path, backup: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(backup, tmp_path / "backup")
    damage(one_of(tmp_path / "backup", kind))

    with pytest.raises(ArchiveRefused):
        check(tmp_path / "backup", step=silent)
    with pytest.raises(ArchiveRefused):
        load_into(tmp_path / "new", tmp_path / "backup")
    assert list((tmp_path / "new").iterdir()) == [], "nothing was made"


def test_a_file_outside_the_folder_is_refused(tmp_path: Path, backup: Path) -> None:
    shutil.copytree(backup, tmp_path / "backup")
    (tmp_path / "outside").write_text("x")
    path = one_of(tmp_path / "backup", "catalog-*/SHA256SUMS")
    path.write_text(
        path.read_text() + f"{sums.of_file(tmp_path / 'outside')}  index/../../outside\n"
    )
    _sign(tmp_path / "backup", sums_sha256=sums.of_file(path))

    with pytest.raises(ArchiveRefused, match="no place"):
        check(tmp_path / "backup", step=silent)


def _sign(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "backup.json").read_text())
    card["backup"] |= changes
    card["sha256"] = sha256_of(card["backup"])
    (folder / "backup.json").write_text(json.dumps(card))


def test_a_backup_of_a_newer_lamina_is_refused(tmp_path: Path, backup: Path) -> None:
    shutil.copytree(backup, tmp_path / "backup")
    _sign(tmp_path / "backup", revision="9999")
    with pytest.raises(ConfigurationError, match="schema '9999'"):
        load_into(tmp_path / "new", tmp_path / "backup")
    _sign(tmp_path / "backup", format=2)
    with pytest.raises(ArchiveRefused, match="format"):
        load_into(tmp_path / "newer", tmp_path / "backup")


def test_what_is_not_empty_is_not_loaded_into(tmp_path: Path, backup: Path) -> None:
    load_into(tmp_path / "new", backup)
    before = (tmp_path / "new" / "catalog.db").read_bytes()
    with pytest.raises(ConfigurationError, match="catalog already"):
        load_into(tmp_path / "new", backup)
    assert (tmp_path / "new" / "catalog.db").read_bytes() == before

    stranger = tmp_path / "other" / "index" / "1" / "segments" / "x" / "ids.i64"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="another installation"):
        load_into(tmp_path / "other", backup)


def test_a_folder_of_something_else_is_left_alone(small: World, tmp_path: Path) -> None:
    fill(small)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("mine")
    with pytest.raises(InvalidRequest, match=r"thesis\.tex"):
        save_to(small, tmp_path / "home")
    assert [one.name for one in (tmp_path / "home").iterdir()] == ["thesis.tex"]


def test_damage_of_the_installation_stops_a_save_and_keeps_the_backup(
    small: World, tmp_path: Path
) -> None:
    fill(small)
    before = save_to(small, tmp_path / "backup").card
    small.add({"id": "new", "text": "one more"})
    small.index_all()
    new = small.manifest().segments[-1].id
    flip(tmp_path / "index" / str(small.collection.id) / "segments" / new / "data.faiss")

    with pytest.raises(CorruptFile, match="fsck --repair"):
        save_to(small, tmp_path / "backup")
    assert check(tmp_path / "backup", step=silent) == before


def test_a_damaged_copy_is_replaced_by_the_next_save(small: World, tmp_path: Path) -> None:
    fill(small)
    save_to(small, tmp_path / "backup")
    flip(one_of(tmp_path / "backup", "index/*/segments/*/data.faiss"))

    assert save_to(small, tmp_path / "backup").copied > 0
    check(tmp_path / "backup", step=silent)


# --- kill -9 --------------------------------------------------------------------------------------

SAVING = (
    pytest.param("backup.catalog_written", marks=pytest.mark.slow),
    pytest.param("backup.file_written:1", marks=pytest.mark.slow),
    "backup.file_written:4",
    "backup.switched",
)


def die(folder: Path, what: str, point: str) -> None:
    child = run_module("tests.faults.backup_child", str(folder), what, point, seconds=100)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.parametrize("point", SAVING)
def test_a_save_that_is_killed_leaves_a_good_backup(
    small: World, tmp_path: Path, point: str
) -> None:
    fill(small)
    before = save_to(small, tmp_path / "backup").card
    for number in range(3):
        small.add({"id": f"new{number}", "text": "one more"})
        small.index_all()

    die(tmp_path, "save", point)

    found = check(tmp_path / "backup", step=silent)
    assert (found == before) == (point != "backup.switched")
    save_to(small, tmp_path / "backup")
    load_into(tmp_path / "new", tmp_path / "backup")
    with World.open(tmp_path / "new") as copy:
        same(small, copy)
    left = sums.load(one_of(tmp_path / "backup", "catalog-*/SHA256SUMS").read_bytes(), "sums")
    files = [one for one in (tmp_path / "backup").rglob("*") if one.is_file()]
    assert len(files) == len(left) + 2, "nothing of the dead save stays"


def test_a_load_that_is_killed_is_run_again(small: World, tmp_path: Path) -> None:
    fill(small)
    save_to(small, tmp_path / "backup")
    die(tmp_path, "load", "load.file_written:5")

    load_into(tmp_path / "new", tmp_path / "backup")

    assert list((tmp_path / "new").rglob("*.partial")) == []
    with World.open(tmp_path / "new") as copy:
        same(small, copy)
    assert State.PENDING not in copy.records.jobs(limit=1)[0].counts
