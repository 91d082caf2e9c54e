"""A gauge reads no more often than it is worth."""

import threading

import pytest

from shared.gauge import Gauge


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("cost", "kept"), [(0.0, 1.0), (0.01, 1.0), (0.5, 10.0)])
def test_a_reading_is_kept_for_a_second_and_for_twenty_times_what_it_cost(
    cost: float, kept: float
) -> None:
    clock = Clock()
    readings = 0

    def read() -> int:
        nonlocal readings
        readings += 1
        clock.now += cost
        return readings

    gauge = Gauge(read, clock=clock)
    value, age = gauge.reading()
    assert value == 1
    assert age == pytest.approx(cost)
    clock.now += kept - 0.01
    assert gauge.value() == 1
    clock.now += 0.02
    assert gauge.value() == 2
    gauge.forget()
    assert gauge.value() == 3


def test_whoever_comes_while_another_reads_has_the_reading_before() -> None:
    clock, reading, go_on = Clock(), threading.Event(), threading.Event()
    values = iter([1, 2])

    def read() -> int:
        value = next(values)
        if value == 2:
            reading.set()
            assert go_on.wait(10)
        return value

    gauge = Gauge(read, clock=clock)
    assert gauge.value() == 1
    clock.now += 2
    found: list[int] = []
    slow = threading.Thread(target=lambda: found.append(gauge.value()))
    slow.start()
    assert reading.wait(10)

    assert gauge.value() == 1
    go_on.set()
    slow.join()
    assert found == [2]
    assert gauge.value() == 2


def test_a_reading_that_failed_is_tried_again_at_once() -> None:
    answers: list[int | OSError] = [OSError("away"), 7]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    gauge = Gauge(read)
    with pytest.raises(OSError, match="away"):
        gauge.value()
    assert gauge.value() == 7
