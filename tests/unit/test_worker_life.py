"""The small parts that decide when a worker process ends, and what it says of itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain import Condition
from shared.footprint import resident_bytes
from shared.indexing.attention import Attention, Mark
from shared.product import product_version
from shared.services import open_services
from shared.settings import Settings
from workers.pulse import Pulse
from workers.recycling import Recycling
from workers.watchdog import Watchdog

TICK = 1.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watch(attention: Attention, bitten: list[Mark]) -> Watchdog:
    return Watchdog(attention, 10.0, bite=lambda mark, _: bitten.append(mark))


def look(dog: Watchdog, first: int, last: int) -> None:
    for second in range(first, last + 1):
        dog.look(float(second))


def test_one_thing_that_takes_too_long_is_noticed() -> None:
    attention, bitten = Attention(), list[Mark]()
    dog = watch(attention, bitten)
    with attention.on(7, "encoding a pass"):
        look(dog, 0, 10)
        assert bitten == []
        look(dog, 11, 11)
        assert [one.claim_id for one in bitten] == [7]


def test_many_things_that_each_take_a_while_are_well() -> None:
    attention, bitten = Attention(), list[Mark]()
    dog = watch(attention, bitten)
    for start in range(0, 60, 6):
        with attention.on(7, "encoding a pass"):
            look(dog, start, start + 5)
    assert bitten == []


def test_a_pass_after_a_rest_begins_anew_and_the_rest_is_not_watched() -> None:
    attention, bitten = Attention(), list[Mark]()
    dog = watch(attention, bitten)
    with attention.on(7, "encoding a pass"):
        look(dog, 0, 8)
        with attention.off():  # a database that is away for a minute
            assert attention.mark is None
            look(dog, 9, 69)
        look(dog, 70, 78)
        assert bitten == []
        look(dog, 79, 81)
        assert bitten
    assert attention.mark is None


def test_an_urgent_claim_inside_another_has_marks_of_its_own() -> None:
    attention = Attention()
    with attention.on(1, "encoding a pass"):
        with attention.off(), attention.on(2, "cutting a document"):
            assert attention.mark is not None
            assert attention.mark.claim_id == 2
        assert attention.mark is not None
        assert attention.mark.claim_id == 1


def test_time_in_which_the_whole_process_stood_still_does_not_count() -> None:
    attention, bitten = Attention(), list[Mark]()
    dog = watch(attention, bitten)
    with attention.on(7, "encoding a pass"):
        look(dog, 0, 5)
        dog.look(5000.0)  # SIGSTOP, and SIGCONT an hour later
        assert bitten == []
        look(dog, 5001, 5010)
        assert bitten


def test_a_process_that_grew_ends_once_it_has_lived_long_enough() -> None:
    clock, size = Clock(), 50
    recycling = Recycling(100, 60.0, size=lambda: size, clock=clock)
    assert not recycling.due()
    size = 101
    assert not recycling.due(), "a fresh one may be as large"
    clock.now += 60
    assert recycling.due()
    size = 100
    assert not recycling.due()


def test_without_a_limit_a_process_may_be_of_any_size() -> None:
    clock = Clock()
    recycling = Recycling(0, 0.0, size=lambda: 10**15, clock=clock)
    clock.now += 1000
    assert not recycling.due()


def test_the_size_of_this_process_is_plausible() -> None:
    before = resident_bytes()
    assert 10**7 < before < 10**11
    ballast = b"x" * 50_000_000
    assert resident_bytes() - before > 40_000_000
    assert ballast


def test_troubles_are_said_together_with_how_long_the_first_has_lasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("workers.pulse.time.monotonic", clock)
    services = open_services(Settings(_env_file=None, data_dir=tmp_path))
    pulse = Pulse(services, "index", lambda: ("f",))
    well = Condition(version=product_version(), schema=services.database.schema, encoders=("f",))
    assert pulse.condition().memory_bytes > 10**6
    assert replace(pulse.condition(), memory_bytes=0) == well

    pulse.trouble("work", "The disk is full.")
    clock.now += 5
    pulse.trouble("encoder", "The model is gone.")
    pulse.trouble("work", "The disk is still full.")
    clock.now += 2
    assert replace(pulse.condition(), memory_bytes=0) == replace(
        well, trouble="The disk is still full. The model is gone.", trouble_seconds=7.0
    )

    pulse.trouble("work", None)
    assert pulse.condition().trouble == "The model is gone."
    assert pulse.condition().trouble_seconds == 2.0
    pulse.trouble("encoder", None)
    assert pulse.condition().trouble is None
