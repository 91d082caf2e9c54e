"""Whatever happens, in any order: every kept version holds what it held when it was published."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.domain import IndexRule, Lane, Policy, RetentionRule
from tests.faults.machine import Life, book
from tests.faults.oracle import Said

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
WORDS = st.sampled_from(["lime", "moss", "sand", "reed", "wolf"])
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
SAID = st.builds(Said, TEXTS, st.sampled_from(["", "fern"]), st.integers(0, 2))
PLACES = st.integers(0, 1_000_000)
RULES = st.builds(
    IndexRule,
    policy=st.sampled_from(list(Policy)),
    recall_target=st.sampled_from([0.6, 0.9]),
    memory_limit_bytes=st.sampled_from([None, 20_000]),
)


class VersionMachine(RuleBasedStateMachine):
    """A life of random events."""

    template: ClassVar[Path]
    """A migrated catalog, to be copied."""

    @initialize(seed=st.integers(0, 3), large=st.booleans())
    def begin(self, seed: int, *, large: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lamina-life-"))
        shutil.copy(self.template, self.folder / "catalog.db")
        self.life = Life(self.folder)
        self.steps = 0
        if large:
            self.life.put({"book": book(seed)})
            self.life.drain()

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.life.close()
            shutil.rmtree(self.folder)

    def some_kept(self, place: int) -> int:
        return self.life.kept[place % len(self.life.kept)]

    # --- documents ----------------------------------------------------------------------------

    @rule(
        documents=st.dictionaries(NAMES, SAID, min_size=1, max_size=3),
        lane=st.sampled_from(list(Lane)),
    )
    def put(self, documents: dict[str, Said], lane: Lane) -> None:
        self.life.put(documents, lane)

    @rule(documents=st.dictionaries(NAMES, SAID, min_size=1, max_size=4))
    def put_and_index(self, documents: dict[str, Said]) -> None:
        self.life.put(documents)
        self.life.drain()

    @rule(name=st.sampled_from(["book", "tome"]), seed=st.integers(0, 3))
    def put_book(self, name: str, seed: int) -> None:
        self.life.put({name: book(seed)})
        self.life.drain()

    @precondition(lambda self: self.life.live)
    @rule(place=PLACES, note=st.integers(3, 5))
    def change_only_metadata(self, place: int, note: int) -> None:
        name = sorted(self.life.live)[place % len(self.life.live)]
        said = self.life.live[name]
        encoded = self.life.world.encoder.encoded
        idle = not self.life.waiting
        self.life.put({name: Said(said.text, said.title, note)})
        self.life.drain()
        if idle:
            assert self.life.world.encoder.encoded == encoded, "[copied] it was encoded again"

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.life.delete(name)

    @rule(name=st.one_of(NAMES, st.just("book")))
    def delete_and_index(self, name: str) -> None:
        self.life.delete(name)
        self.life.drain()

    @rule()
    def work(self) -> None:
        self.life.work()

    @rule(name=st.one_of(NAMES, st.just("book")))
    def purge(self, name: str) -> None:
        self.life.purge(name)

    # --- upkeep -------------------------------------------------------------------------------

    @rule()
    def merge(self) -> None:
        self.life.merge()

    @rule(rule=RULES)
    def relay(self, rule: IndexRule) -> None:
        self.life.relay(rule)

    @rule(versions=st.integers(1, 6), days=st.sampled_from([0.0, 0.0, 7.0]))
    def collect(self, versions: int, days: float) -> None:
        self.life.collect(RetentionRule(versions=versions, days=days))

    @rule(max_tokens=st.sampled_from([4, 7, 12]))
    def rebuild(self, max_tokens: int) -> None:
        self.life.rebuild(max_tokens)

    @rule()
    def rebuild_a_little(self) -> None:
        self.life.rebuild_a_little()

    @rule()
    def finish_rebuild(self) -> None:
        self.life.finish_rebuild()

    # --- versions -----------------------------------------------------------------------------

    @precondition(lambda self: self.life.kept)
    @rule(place=PLACES)
    def restore(self, place: int) -> None:
        self.life.restore(self.some_kept(place))

    @precondition(lambda self: self.life.kept)
    @rule(place=PLACES, name=st.sampled_from(["x", "y"]))
    def tag(self, place: int, name: str) -> None:
        self.life.tag(self.some_kept(place), name)

    @precondition(lambda self: self.life.tags)
    @rule()
    def untag(self) -> None:
        self.life.untag(min(self.life.tags))

    @precondition(lambda self: self.life.kept)
    @rule(place=PLACES, holder=st.sampled_from(["r1", "r2"]))
    def lease(self, place: int, holder: str) -> None:
        self.life.lease(self.some_kept(place), holder)

    @precondition(lambda self: self.life.leases)
    @rule()
    def release(self) -> None:
        self.life.release(*min(self.life.leases))

    @precondition(lambda self: self.life.kept)
    @rule(place=PLACES, query=TEXTS, k=st.integers(1, 40), exact=st.booleans())
    def search(self, place: int, query: str, k: int, *, exact: bool) -> None:
        self.life.search(self.some_kept(place), query, k=k, exact=exact)

    # --- mishaps ------------------------------------------------------------------------------

    @rule()
    def reopen(self) -> None:
        self.life.reopen()

    @rule()
    def die_rebuilding(self) -> None:
        self.life.die_rebuilding()

    @rule()
    def die_publishing(self) -> None:
        self.life.die_publishing()

    @rule()
    def die_merging(self) -> None:
        self.life.die_merging()

    @precondition(lambda self: self.life.kept)
    @rule(version=PLACES, file=PLACES)
    def damage_and_repair(self, version: int, file: int) -> None:
        number = self.some_kept(version)
        files = self.life.files_of(number)
        self.life.damage_and_repair(number, files[file % len(files)])

    @precondition(lambda self: self.life.kept)
    @rule(place=PLACES)
    def export_and_import(self, place: int) -> None:
        self.life.export_and_import(self.some_kept(place))

    @invariant()
    def all_is_well(self) -> None:
        if not hasattr(self, "life"):
            return
        self.steps += 1
        query = ("lime moss", "sand", "wolf reed lime")[self.steps % 3]
        self.life.check(query=query, k=1 + 7 * (self.steps % 5), whole=self.steps % 4 == 0)


@pytest.fixture
def machine(migrated_file: Path) -> type[VersionMachine]:
    VersionMachine.template = migrated_file
    return VersionMachine


@pytest.mark.slow
def test_every_event_once(tmp_path: Path, database_url: str) -> None:
    """One life told in order: quick, on each database, and no event can be missing from it."""
    life = Life(tmp_path, database_url=database_url)
    hnsw, flat = IndexRule(policy=Policy.HNSW, recall_target=0.6), IndexRule(policy=Policy.FLAT)
    events: list[Callable[[], object]] = [
        lambda: life.put({"a": Said("lime moss"), "b": Said("sand", "fern")}, Lane.BULK),
        life.die_publishing,
        life.drain,
        lambda: life.tag(1, "first"),
        lambda: life.put({"book": book(1), "a": Said("lime moss", note=1)}),
        life.drain,
        lambda: life.lease(life.head, "reader"),
        lambda: life.delete("b"),
        lambda: life.put({"c": Said("moss moss lime"), "d": Said("lime moss")}),
        life.drain,
        lambda: life.relay(hnsw),
        lambda: assert_laid_out(life, Policy.HNSW),
        lambda: life.search(life.head, "lime moss", k=5, exact=False),
        lambda: life.put({"tome": book(2)}),
        life.drain,
        life.die_merging,
        life.merge,
        lambda: life.restore(1),
        lambda: life.put({"b": Said("wolf"), "c": Said("reed")}),
        life.drain,
        lambda: life.restore(life.head - 2),
        lambda: life.rebuild(7),
        life.rebuild_a_little,
        life.die_rebuilding,
        lambda: life.put({"b": Said("wolf reed"), "e": Said("moss sand lime")}),
        life.drain,
        lambda: life.delete("d"),
        life.drain,
        life.rebuild_a_little,
        lambda: life.restore(life.head - 1),
        lambda: life.purge("e"),
        life.finish_rebuild,
        lambda: life.search(life.head, "reed", k=3, exact=True),
        lambda: life.put({"e": Said("sand again")}),
        life.drain,
        lambda: life.export_and_import(life.head),
        lambda: life.restore(life.head - 2),
        lambda: life.put({"e": Said("before once more")}),
        life.drain,
        lambda: life.rebuild(12),
        life.finish_rebuild,
        lambda: life.damage_and_repair(1, "data.faiss"),
        lambda: life.search(1, "sand", k=2, exact=True),
        lambda: life.damage_and_repair(life.head, "ids.i64"),
        lambda: life.damage_and_repair(1, "data.faiss"),
        lambda: life.purge("a"),
        lambda: life.collect(RetentionRule(versions=2, days=0)),
        lambda: life.put({"a": Said("lime")}),
        life.reopen,
        life.drain,
        lambda: life.export_and_import(life.head),
        lambda: life.relay(flat),
        lambda: life.untag("first"),
        lambda: life.release(*min(life.leases)),
        lambda: life.collect(RetentionRule(versions=1, days=0)),
        life.drain,
    ]
    try:
        for number, event in enumerate(events):
            event()
            life.check(k=1 + 3 * (number % 5))
    finally:
        life.close()
    assert len(life.expired) > 8


def assert_laid_out(life: Life, policy: Policy) -> None:
    """Assert that a segment of the head has this layout, so that what follows means something."""
    found = {one.layout.policy for one in life.world.manifest().segments if one.layout}
    assert policy in found, f"only {found}"


@pytest.mark.timeout(300)
def test_what_was_repaired_can_be_repaired_again(tmp_path: Path) -> None:
    """Segments of an earlier repair are there beside those that the catalog remembers."""
    life = Life(tmp_path)
    try:
        life.put({"book": book(1, passages=100), "tome": book(2, passages=100)})
        life.drain()
        life.damage_and_repair(1, "data.faiss")
        life.damage_and_repair(1, ".json")  # its manifest
        life.check()
        life.delete("tome")
        life.drain()
        life.merge()
        assert life.head == 3, "both documents in one version, then a delete and a merge"
        life.damage_and_repair(1, ".json")  # put together of two segments that share vectors
        life.check()
        for version in (3, 2, 1):
            for name in ("data.faiss", "ids.i64", "segment.json", ".json"):
                life.damage_and_repair(version, name)
                life.check()
    finally:
        life.close()


@pytest.mark.timeout(600)
def test_whatever_happens_every_kept_version_stays_what_it_was(
    machine: type[VersionMachine],
) -> None:
    """A bounded number of lives, the same ones every time, and not shrunk, which takes minutes."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=5,
            stateful_step_count=25,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whatever_happens_for_long(machine: type[VersionMachine]) -> None:
    """Other lives every time; a failing one is shrunk."""
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=200, stateful_step_count=50, report_multiple_bugs=False),
    )
