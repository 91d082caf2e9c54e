"""The power fails at every single step of everything that writes, and nothing acknowledged is lost.

A story is told once, on a disk that keeps only what was synced. Before each of its steps, which
are all system calls that change or sync index files and all commits of the catalog, the disk
and the catalog are put aside as a power cut right then would leave them. Each of these is then
opened anew: every version must say what it said at the last acknowledgment, or, all of it, what
the act under way was to make of it; and the work must go on to its end.

That also stands for a process that dies at any of these steps: what a dead process leaves is
`Flushed.MOST`, only less torn.
"""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import event

from shared.domain import Chunking, IndexRule, Policy
from shared.errors import CorruptFile
from shared.index.disk import Disk
from shared.ingest import deletion, submit
from shared.settings import MergeSettings
from shared.trust.purging import purge
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.versions.restoring import restore as bring_back
from tests.faults.power import Flushed, Left, PowerDisk, restore
from tests.keeping import (
    contents,
    database_of,
    head_of,
    keep_only,
    keeper_of,
    keys_on_disk,
    let_hours_pass,
    live_versions,
    needed_keys,
)
from tests.shelves import shelf_of
from tests.trust import purger_of
from tests.worlds import World

# Two segments are merged, and 256 vectors laid out for approximate search.
MERGE = MergeSettings(fan_in=2, floor=256, ann_from=256, threads=1)
CHUNKING = Chunking(max_tokens=16, overlap_tokens=0)
LONG = " ".join(f"w{number}" for number in range(16 * 260))

Documents: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class State:
    """What was acknowledged: the ledger that no index file or catalog has a part in."""

    versions: Mapping[int, Documents]
    wanted: Documents
    """What the head will hold when all that was accepted is indexed."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What a power cut before one step leaves, and what it must show."""

    step: str
    left: Mapping[Flushed, Left]
    catalog: Path
    before: State
    after: State
    """What the act under way makes of it."""


@dataclass(slots=True)
class Tape:
    """Puts the disk and the catalog aside at every step of the thread that made it."""

    folder: Path
    cuts: list[tuple[str, Mapping[Flushed, Left], Path]] = field(default_factory=list)
    disk: PowerDisk = field(init=False)
    _catalogs: int = 0
    _committed: bool = True
    _thread: int = field(default_factory=threading.get_ident)

    def __post_init__(self) -> None:
        self.disk = PowerDisk(self.folder, self._put_aside)

    def watch(self, world: World) -> None:
        """Count commits as steps, too."""

        def commit(_connection: object) -> None:
            self._put_aside("commit")
            self._committed = True

        event.listen(database_of(world)._engines().glance, "commit", commit)

    def _put_aside(self, step: str) -> None:
        if threading.get_ident() != self._thread or not (self.folder / "catalog.db").exists():
            return
        left = {one: self.disk.left(one, seed=len(self.cuts)) for one in Flushed}
        self.cuts.append((step, left, self._catalog()))

    def _catalog(self) -> Path:
        """Copy what is committed by now: with `synchronous=FULL`, a commit survives a cut."""
        if self._committed:
            self._committed = False
            self._catalogs += 1
            with (
                sqlite3.connect(self.folder / "catalog.db") as now,
                sqlite3.connect(self._path()) as copy,
            ):
                now.backup(copy)
            now.close()
            copy.close()
        return self._path()

    def _path(self) -> Path:
        return self.folder / f"aside-{self._catalogs}.db"


class Story:
    """Acts in a world, each with what it makes of what was acknowledged."""

    def __init__(self, world: World, tape: Tape) -> None:
        self.world = world
        self.cuts: list[Cut] = []
        self._tape = tape
        self._state = State({}, {})

    def put(self, **texts: str) -> None:
        documents = [{"id": name, "text": text} for name, text in texts.items()]
        self._accept(lambda: self.world.add(*documents), {**self._state.wanted, **texts})

    def delete(self, name: str) -> None:
        going = deletion(name, collection="c", source="api")
        wanted = {one: text for one, text in self._state.wanted.items() if one != name}
        self._accept(lambda: submit(self.world.inbox, self.world.bell, going), wanted)

    def merge(self) -> None:
        self._act(lambda: merge_next(self.world.upkeep()), self._next(self._head))

    def lay_out(self, policy: Policy) -> None:
        self.world.collections.configure("c", index=IndexRule(policy=policy))
        self._act(lambda: relay_next(self.world.upkeep()), self._next(self._head))

    def restore(self, version: int) -> None:
        old = self._state.versions[version]
        self._act(
            lambda: bring_back(shelf_of(self.world), "c", str(version)),
            State(self._next(old).versions, old),
        )

    def purge(self, name: str) -> None:
        rest = {
            number: {one: text for one, text in documents.items() if one != name}
            for number, documents in self._state.versions.items()
        }
        self._act(
            lambda: purge(purger_of(self.world, store=self.world.store), "c", name),
            State(rest, rest[max(rest)]),
        )

    def collect(self, *, keep: int) -> None:
        collection = keep_only(self.world, keep)
        kept = sorted(self._state.versions)[-keep:]
        self._act(
            lambda: collect(keeper_of(self.world), collection, dry_run=False),
            State({one: self._state.versions[one] for one in kept}, self._state.wanted),
        )

    @property
    def _head(self) -> Documents:
        return self._state.versions[max(self._state.versions)]

    def _next(self, documents: Documents) -> State:
        number = max(self._state.versions, default=0) + 1
        return State({**self._state.versions, number: documents}, self._state.wanted)

    def _accept(self, send: Callable[[], object], wanted: Documents) -> None:
        self._act(send, State(self._state.versions, wanted))
        self._act(self.world.index_all, self._next(wanted))

    def _act(self, act: Callable[[], object], after: State) -> None:
        self._tape.cuts.clear()
        act()
        self.cuts.extend(Cut(*cut, before=self._state, after=after) for cut in self._tape.cuts)
        self._state = after
        assert told(self.world) == normal(after.versions), "the story goes as planned"


def told(world: World) -> dict[int, dict[str, str]]:
    """Return the documents of every kept version as the files and the catalog tell them."""
    found: dict[int, dict[str, str]] = {}
    for number, passages in contents(world).items():
        documents = found.setdefault(number, {})
        for name, passage in passages:
            documents[name] = f"{documents.get(name, '')} {passage}"
    return normal(found)


def normal(versions: Mapping[int, Documents]) -> dict[int, dict[str, str]]:
    """Put the words of each document in order, since passages come in any."""
    return {
        number: {name: " ".join(sorted(text.split())) for name, text in documents.items()}
        for number, documents in versions.items()
    }


def begin(story: Story) -> None:
    """One version."""
    story.put(a="first")


def grow(story: Story) -> None:
    """Indexing, an upsert, a delete, and a merge of what is left."""
    story.put(a="first", b="second", d="kept")
    story.put(c="third", a="changed")
    story.delete("b")
    story.merge()


def turn_back(story: Story) -> None:
    """Laying out for approximate search, deletes in that, and a restore across it."""
    story.put(long=LONG, a="first")
    story.lay_out(Policy.HNSW)
    story.delete("a")
    story.restore(1)


def clear_up(story: Story) -> None:
    """A purge from every version, and the collection of garbage."""
    story.put(a="first", b="second")
    story.put(b="changed", c="third")
    story.purge("b")
    story.put(d="fourth")
    story.collect(keep=1)


@contextmanager
def opened(folder: Path, disk: Disk) -> Iterator[World]:
    with World.open(folder, merge=MERGE, chunking=CHUNKING, disk=disk) as world:
        yield world


def record(folder: Path, migrated_file: Path, tell: Callable[[Story], None]) -> list[Cut]:
    """Tell a story; return each power cut in it."""
    folder.mkdir()
    shutil.copy(migrated_file, folder / "catalog.db")
    tape = Tape(folder)
    with opened(folder, tape.disk) as world:
        tape.watch(world)
        story = Story(world, tape)
        tell(story)
    return story.cuts


@dataclass(frozen=True, slots=True)
class Moment:
    """A cut and how much of the disk's cache had got through."""

    cut: Cut
    left: Left
    flushed: Flushed


def moments(cuts: Sequence[Cut]) -> list[Moment]:
    """Return every cut in every way, those once that leave the same."""
    found: dict[object, Moment] = {}
    for cut in cuts:
        for flushed, left in cut.left.items():
            same = (cut.catalog, tuple(sorted(left.items())))
            found.setdefault(same, Moment(cut, left, flushed))
    return list(found.values())


class Careless(Disk):
    """Keeps nothing durable, which is quicker; for what comes after the cut."""

    def sync(self, descriptor: int) -> None:
        """Nothing."""


def check(folder: Path, moment: Moment, *, to_the_end: bool) -> None:
    """Open what a power cut left, compare it with the ledger, and go on *to the end*."""
    folder.mkdir()
    cut = moment.cut
    shutil.copy(cut.catalog, folder / "catalog.db")
    restore(moment.left, folder)
    when = f"after a cut before '{cut.step}', flushed {moment.flushed}"
    try:
        with opened(folder, Careless()) as world:
            check_kept(world, cut, when)
            if to_the_end:
                check_end(world, cut, when)
    except CorruptFile as error:
        pytest.fail(f"[power-cut] a file is damaged {when}: {error}")
    shutil.rmtree(folder)


def check_kept(world: World, cut: Cut, when: str) -> None:
    found = told(world)
    possible = [normal(cut.before.versions), normal(cut.after.versions)]
    assert found in possible, f"[power-cut] not what was acknowledged {when}"
    for version in live_versions(world):
        manifest = world.store.read_manifest(head_of(world, version))
        damages = world.store.check(manifest, lambda _done, _total: None, known=set())
        assert damages == [], f"[power-cut] version {version.version} is damaged {when}"


def check_end(world: World, cut: Cut, when: str) -> None:
    """Do what a start after the cut does, and all that is left to do."""
    world.claims.reap(worker=world.bench.worker, max_crashes=3)
    let_hours_pass(world)
    end_all(world)
    world.add({"id": "later", "text": "sent after the cut"})
    end_all(world)
    collect(keeper_of(world), keep_only(world, 1), dry_run=False)

    found = told(world)
    ends = [
        normal({0: {**one.wanted, "later": "sent after the cut"}})[0]
        for one in (cut.before, cut.after)
    ]
    assert found[max(found)] in ends, f"[power-cut] the work did not come to its end {when}"
    left = keys_on_disk(world)
    assert left == needed_keys(world), f"[power-cut] remains that nobody collects {when}"
    assert world.chores.damages() == [], f"[power-cut] something was found damaged {when}"


def end_all(world: World) -> None:
    """Index, merge and lay out until nothing is left to do."""
    world.index_all()
    while merge_next(world.upkeep()) or relay_next(world.upkeep()):
        pass


STORIES = [begin, grow, turn_back, clear_up]
LONG_STORIES = [pytest.param(one, marks=pytest.mark.slow) for one in STORIES[1:]]
Tell: TypeAlias = Callable[[Story], None]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tell", [begin, *LONG_STORIES])
def test_whenever_the_power_fails_what_was_acknowledged_is_there(
    tmp_path: Path, migrated_file: Path, tell: Tell
) -> None:
    """After every cut; the work goes on to its end after each tenth."""
    for number, moment in enumerate(moments(record(tmp_path / "story", migrated_file, tell))):
        check(tmp_path / "after", moment, to_the_end=number % 10 == 0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tell", STORIES)
def test_whenever_the_power_fails_the_work_goes_on_to_its_end(
    tmp_path: Path, migrated_file: Path, tell: Tell
) -> None:
    for moment in moments(record(tmp_path / "story", migrated_file, tell)):
        check(tmp_path / "after", moment, to_the_end=True)


@pytest.mark.parametrize("forgotten", ["sync", "sync_folder"])
def test_a_sync_that_is_forgotten_would_be_noticed(
    tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    monkeypatch.setattr(Disk, forgotten, lambda _disk, _what: None)
    found = moments(record(tmp_path / "story", migrated_file, begin))

    with pytest.raises(pytest.fail.Exception, match=r"\[power-cut\] a file is damaged"):
        check_all(tmp_path / "after", found)


def check_all(folder: Path, found: Sequence[Moment]) -> None:
    for moment in found:
        check(folder, moment, to_the_end=False)


def test_a_story_has_a_cut_at_every_kind_of_step(tmp_path: Path, migrated_file: Path) -> None:
    cuts = record(tmp_path / "story", migrated_file, clear_up)

    kinds = {cut.step.partition(" ")[0] for cut in cuts}
    assert kinds == {"commit", "make", "create", "write", "sync", "rename", "remove"}
    assert len(cuts) > 100
