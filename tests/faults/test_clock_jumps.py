"""Fault 14: the catalog's clock goes an hour ahead or back, and nothing ends early or never."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from shared.catalog import Database
from shared.catalog.tables import ChoreRow, ClaimRow, LeaseRow, RevisionRow
from shared.domain import ChoreKind, RetentionRule
from shared.errors import CatalogUnavailable, Fenced
from shared.ingest import parse_submission
from shared.upkeep.clockwatch import ClockWatch
from shared.upkeep.upkeep import Upkeep, reap
from tests.clocks import set_ahead
from tests.keeping import database_of
from tests.worker_process import WorkerProcess, wait_until
from tests.worlds import LIMITS, World

HOUR = 3600
LEASE = 30.0


@dataclass(slots=True)
class Watch:
    """This process's own clock, in a test's hands."""

    now: float = 1000.0
    last: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        """Go on as time does, beside what a test adds."""
        now = time.monotonic()
        self.now += now - self.last
        self.last = now
        return self.now


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url, skewed=True) as opened:
        yield opened
        set_ahead(database_of(opened), 0)


def wait(world: World, watch: Watch, seconds: float) -> None:
    """Let time pass for the catalog and this process alike."""
    database = database_of(world)
    set_ahead(database, ahead_of(database) + int(seconds))
    watch.now += seconds


def reaped_within(world: World, watch: Watch, upkeep: Upkeep, seconds: float) -> int:
    """Let time pass while upkeep looks as often as it does; return how many claims it took."""
    taken = 0
    for _ in range(int(seconds / 4) + 1):
        wait(world, watch, 4)
        taken += reap(upkeep)
    return taken


def jump(world: World, seconds: int) -> None:
    database = database_of(world)
    set_ahead(database, ahead_of(database) + seconds)


def ahead_of(database: Database) -> int:
    with database.read() as tx:
        found = tx.exec_driver_sql("SELECT value FROM counters WHERE name = 'skew'").scalar()
    return found or 0


def upkeep_of(world: World, watch: Watch) -> Upkeep:
    return replace(world.upkeep(lease_seconds=LEASE), clock=world.clock_watch(watch))


def test_the_seam_moves_the_one_clock(world: World) -> None:
    before = world.roster.now()
    jump(world, HOUR)
    assert world.roster.now() - before == pytest.approx(HOUR, abs=30)
    jump(world, -2 * HOUR)
    assert world.roster.now() - before == pytest.approx(-HOUR, abs=30)


def test_a_clock_put_forward_takes_no_claim_from_the_living(world: World) -> None:
    watch = Watch()
    upkeep = upkeep_of(world, watch)
    world.add({"id": "a", "text": "patience"})
    claim = world.claim()
    assert reap(upkeep) == 0

    jump(world, HOUR)
    assert reap(upkeep) == 0, "[clock] a living worker's claim ended early"
    assert reaped_within(world, watch, upkeep, LEASE / 3) == 0
    world.claims.renew(claim.id, LEASE)
    assert reaped_within(world, watch, upkeep, LEASE * 2 / 3) == 0

    world.finish(claim)
    assert world.live_documents() == {"a": 1}


def test_a_dead_ones_claim_is_given_back_one_lease_after_the_clock_was_put_forward(
    world: World,
) -> None:
    watch = Watch()
    upkeep = upkeep_of(world, watch)
    world.add({"id": "a", "text": "patience"})
    world.claim()
    reap(upkeep)

    jump(world, HOUR)
    assert reap(upkeep) == 0

    assert reaped_within(world, watch, upkeep, LEASE) == 1
    world.index_all()
    assert world.live_documents() == {"a": 1}


def test_a_dead_ones_claim_does_not_wait_for_a_clock_that_was_put_back(world: World) -> None:
    watch = Watch()
    upkeep = upkeep_of(world, watch)
    world.add({"id": "a", "text": "patience"})
    dead = world.claim()
    reap(upkeep)

    jump(world, -HOUR)
    assert reap(upkeep) == 0

    assert reaped_within(world, watch, upkeep, LEASE) == 1, (
        "[clock] a dead worker's claim lasts for an hour"
    )
    with pytest.raises(Fenced):
        world.claims.renew(dead.id, LEASE)


def test_who_starts_after_the_clock_was_put_back_shortens_what_lasts_too_long(
    world: World,
) -> None:
    watch = Watch()
    world.add({"id": "a", "text": "patience"})
    world.claim()
    jump(world, -HOUR)

    upkeep = upkeep_of(world, watch)
    assert reap(upkeep) == 0
    assert reaped_within(world, watch, upkeep, LEASE) == 1


def test_a_retry_does_not_wait_for_a_clock_that_was_put_back(world: World) -> None:
    watch = Watch()
    upkeep = upkeep_of(world, watch)
    world.add({"id": "a", "text": "patience"})
    world.claims.release(world.claim().id, delay_seconds=10.0, reason="The disk is full.")
    reap(upkeep)

    jump(world, -HOUR)
    reap(upkeep)
    wait(world, watch, 61)

    world.index_all()
    assert world.live_documents() == {"a": 1}


def test_what_is_held_for_an_import_is_held_as_long_as_it_was_told_to(world: World) -> None:
    submission = parse_submission(
        [{"id": "a", "text": "x"}], LIMITS, collection="c", source="import"
    )
    world.inbox.accept(submission, hold_seconds=2 * LEASE)
    watch = Watch()
    reap(upkeep_of(world, watch))

    wait(world, watch, LEASE)
    world.index_all()
    assert world.reading.waiting(world.collection.id) == 1
    wait(world, watch, LEASE + 1)
    world.index_all()
    assert world.live_documents() == {"a": 1}


def test_chores_and_held_versions_of_the_dead_do_not_wait_for_a_clock_that_was_put_back(
    world: World,
) -> None:
    watch = Watch()
    upkeep = upkeep_of(world, watch)
    world.add({"id": "a", "text": "x"})
    world.index_all()
    collection_id = world.collection.id
    assert world.chores.begin(collection_id, ChoreKind.MERGE, holder="dead:1", lease_seconds=LEASE)
    world.versions.hold(collection_id, 1, "dead:1", LEASE)
    reap(upkeep)

    jump(world, -HOUR)
    reap(upkeep)
    wait(world, watch, LEASE + 1)

    assert world.chores.begin(
        collection_id, ChoreKind.MERGE, holder="living:2", lease_seconds=LEASE
    )
    assert not any(one.leased for one in world.versions.kept(collection_id))


def test_what_was_set_as_it_could_be_is_left_alone(world: World) -> None:
    world.add({"id": "a", "text": "x"}, {"id": "b", "text": "y"})
    world.claim()
    world.add({"id": "c", "text": "z"})
    before = stamps(world)

    assert world.roster.shorten(lease_seconds=LEASE + 1, delay_seconds=61) == 0

    assert stamps(world) == before


def stamps(world: World) -> list[object]:
    with database_of(world).read() as tx:
        return [
            *tx.execute(select(ClaimRow.lease_until)).all(),
            *tx.execute(select(RevisionRow.not_before)).all(),
            *tx.execute(select(ChoreRow.lease_until)).all(),
            *tx.execute(select(LeaseRow.until)).all(),
        ]


class Flickering:
    """A roster whose catalog is away now and then."""

    def __init__(self, real: object) -> None:
        self._real = real
        self.away = False

    def __getattr__(self, name: str) -> object:
        if self.away:
            raise CatalogUnavailable("The database is away.")
        return getattr(self._real, name)


def test_after_an_outage_of_the_catalog_the_living_may_renew_their_leases_first(
    world: World,
) -> None:
    watch = Watch()
    roster = Flickering(world.roster)
    clock = ClockWatch(roster, lease_seconds=LEASE, delay_seconds=60, own=watch)  # type: ignore[arg-type]
    clock.look()
    assert clock.steady_for(LEASE)

    roster.away = True
    with pytest.raises(CatalogUnavailable):
        clock.look()
    roster.away = False
    wait(world, watch, 5)
    clock.look()
    assert not clock.steady_for(LEASE), "[fault] an outage ends the leases of the living"
    for _ in range(4):
        wait(world, watch, 8)
        clock.look()
    assert clock.steady_for(LEASE)


def test_a_process_that_stood_still_itself_judges_nobody_at_once(world: World) -> None:
    watch = Watch()
    clock = world.clock_watch(watch)
    clock.look()
    wait(world, watch, 60)
    clock.look()
    assert not clock.steady_for(LEASE)


def test_a_clock_that_is_put_right_by_little_disturbs_nobody(world: World) -> None:
    watch = Watch()
    clock = world.clock_watch(watch)
    for step in (2, -2, 3):
        clock.look()
        jump(world, step)
    clock.look()
    assert clock.steady_for(LEASE)


@pytest.mark.parametrize("seconds", [pytest.param(HOUR, marks=pytest.mark.slow), -HOUR])
def test_real_processes_index_everything_once_over_a_jump(tmp_path: Path, seconds: int) -> None:
    """With garbage collected and segments merged meanwhile."""
    with World.open(tmp_path, skewed=True) as world:
        world.collections.configure("c", retention=RetentionRule(versions=2, days=0))
        upkeep = WorkerProcess(
            "upkeep",
            tmp_path,
            LAMINA_CLOCK_SKEWED="true",
            LAMINA_ENCODING_LEASE_SECONDS="2",
            LAMINA_READER_LEASE_SECONDS="2",
            LAMINA_MERGE_LEASE_SECONDS="2",
            LAMINA_MERGE_EVERY_SECONDS="0.1",
            LAMINA_RETENTION_EVERY_SECONDS="0.1",
            LAMINA_STORAGE_MIN_FREE_BYTES="1",
        )
        with upkeep:
            upkeep.wait_until_ready()
            world.add(*({"id": f"d{n}", "text": f"text {n}"} for n in range(5)))
            world.index_all()
            world.add({"id": "late", "text": "patience"})
            living = world.claims.claim(
                "host:7",
                fingerprints=[world.encoder.card.fingerprint],
                max_lane=2,
                max_characters=1000,
                max_documents=1,
                lease_seconds=2.0,
            )
            assert living
            set_ahead(database_of(world), seconds)
            # Before anybody else meets a lease that the jump has ended.
            noticed = "leases_spared" if seconds > 0 else "leases_shortened"
            wait_until(lambda: noticed in upkeep.said)
            world.add({"id": "after", "text": "hope"})
            world.index_all()
            # Nobody renews it: its lease must end, and not for an hour.
            wait_until(lambda: world.roster.backlog()["claimed"] == 0)
            world.index_all()
            assert world.live_documents() == dict.fromkeys(
                [*(f"d{n}" for n in range(5)), "late", "after"], 1
            )
            assert upkeep.stop() == 0
