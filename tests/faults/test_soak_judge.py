"""The soak's own accounting: what it must notice is planted, and it is noticed."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain import State
from tests.faults.ledger import Entry, Evidence, Fate, Ledger, Live, compare
from tests.faults.soak.figures import Percentiles
from tests.faults.soak.outages import Injection, Injections, Outage, Outages, explain
from tests.keeping import database_of
from tests.worlds import World

ENTRIES = (
    Entry(id="a", job="1", title="a first", text="old words"),
    Entry(id="b", job="1", title="b", text="other words"),
    Entry(id="a", job="2", title="a second", text="new words"),
    Entry(id="c", job="3", title="c", text="soon gone"),
    Entry(id="c", job="4", title="", text="", deleted=True),
    Entry(id="e", job="5", title="e", text="kept words"),
    Entry(id="e", job="6", title="e later", text="cancelled words"),
)
LIVE_A = Live(id="a", revision_id=3, title="a second", passage="new words")
LIVE_B = Live(id="b", revision_id=2, title="b", passage="other words")
LIVE_C = Live(id="c", revision_id=4, title="c", passage="soon gone")
LIVE_E = Live(id="e", revision_id=6, title="e", passage="kept words")
INDEXED = Fate(state=State.INDEXED, error=None)
GOOD = Evidence(
    fates={
        ("1", "a"): Fate(state=State.SUPERSEDED, error=None),
        ("1", "b"): INDEXED,
        ("2", "a"): INDEXED,
        ("3", "c"): INDEXED,
        ("4", "c"): INDEXED,
        ("5", "e"): INDEXED,
        ("6", "e"): Fate(state=State.CANCELLED, error=None),
    },
    live=(LIVE_A, LIVE_B, LIVE_E),
    live_revisions=frozenset({2, 3, 6}),
    waiting=0,
    claims=0,
    attempts=0,
)


def test_what_is_as_acknowledged_passes() -> None:
    verdict = compare(ENTRIES, GOOD)

    verdict.check()
    assert (verdict.acknowledged, verdict.documents, verdict.indexed) == (7, 4, 3)
    assert verdict.states == {"indexed": 5, "superseded": 1, "cancelled": 1}


def without(evidence: Evidence, job: str, document: str) -> Evidence:
    fates = {key: fate for key, fate in evidence.fates.items() if key != (job, document)}
    return replace(evidence, fates=fates)


def ended(evidence: Evidence, job: str, document: str, fate: Fate) -> Evidence:
    return replace(evidence, fates={**evidence.fates, (job, document): fate})


def living(*live: Live) -> Evidence:
    revisions = frozenset(one.revision_id for one in live)
    return replace(GOOD, live=live, live_revisions=revisions)


PLANTED: dict[str, tuple[Evidence, str]] = {
    "lost in the index": (living(LIVE_A, LIVE_E), "lost"),
    "lost in the catalog": (without(GOOD, "1", "a"), "lost"),
    "doubled": (living(LIVE_A, LIVE_B, LIVE_B, LIVE_E), "twice"),
    "old content": (
        living(replace(LIVE_A, title="a first", passage="old words"), LIVE_B, LIVE_E),
        "stale",
    ),
    "a title with another's text": (
        living(replace(LIVE_A, passage="other words"), LIVE_B, LIVE_E),
        "stale",
    ),
    "deleted and live": (living(LIVE_A, LIVE_B, LIVE_C, LIVE_E), "undead"),
    "failed and live": (
        ended(GOOD, "1", "b", Fate(state=State.FAILED, error="cannot be encoded")),
        "undead",
    ),
    "never acknowledged": (
        living(LIVE_A, LIVE_B, LIVE_E, replace(LIVE_B, id="x", revision_id=9)),
        "strangers",
    ),
    "still pending": (
        ended(GOOD, "2", "a", Fate(state=State.PENDING, error=None)),
        "unfinished",
    ),
    "failed without a reason": (
        ended(GOOD, "6", "e", Fate(state=State.FAILED, error=None)),
        "unexplained",
    ),
    "in the catalog alone": (
        replace(GOOD, live_revisions=GOOD.live_revisions | {8}),
        "disagreeing",
    ),
    "in the files alone": (replace(GOOD, live_revisions=frozenset({2, 3})), "disagreeing"),
    "an open claim": (replace(GOOD, claims=1), "left"),
    "an open attempt": (replace(GOOD, attempts=1), "left"),
    "a stranger's revision that waits": (replace(GOOD, waiting=1), "left"),
    "a damaged file": (replace(GOOD, damaged=("version 3: gone",)), "damaged"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_noticed_by_its_name(planted: str) -> None:
    evidence, name = PLANTED[planted]

    verdict = compare(ENTRIES, evidence)

    assert [one for one, found in verdict.problems.items() if found] == [name]
    with pytest.raises(AssertionError, match=rf"^\[{name}\] 1: "):
        verdict.check()


def test_the_ledger_of_a_real_world_passes_and_notices_what_it_was_not_told(
    tmp_path: Path, database_url: str
) -> None:
    documents = [{"id": f"d{number}", "text": f"text {number}"} for number in range(3)]
    ledger = Ledger()
    with World.open(tmp_path, database_url=database_url) as world:
        receipt = world.add(*documents)
        world.index_all()
        ledger.acknowledge(receipt.job_id, documents)
        ledger.judge(database_of(world), world.fresh_store(), "c").check()

        world.add({"id": "d3", "text": "nobody was told"})
        verdict = ledger.judge(database_of(world), world.fresh_store(), "c")
        assert verdict.left == ("1 waiting revisions",)
        world.index_all()
        verdict = ledger.judge(database_of(world), world.fresh_store(), "c")
        assert verdict.strangers == ("d3",)
        ledger.acknowledge("no such job", [{"id": "d3", "text": "nobody was told"}])
        verdict = ledger.judge(database_of(world), world.fresh_store(), "c")
        assert verdict.lost == ("d3",)


def outage(began: float, ended: float, *, noticed: float | None = None) -> Outage:
    return Outage(
        began=began,
        noticed=began if noticed is None else noticed,
        ended=ended,
        failures=1,
        reason="503",
    )


def injection(began: float, ended: float | None, *, hurts: bool = True) -> Injection:
    return Injection(kind="kill web", began=began, ended=ended, hurts_searches=hurts)


@pytest.mark.parametrize(
    ("seen", "injected", "explained"),
    [
        (outage(10, 12), injection(9, 13), True),
        (outage(2, 12, noticed=9), injection(9, 13), True),  # under way when the fault came
        (outage(14, 15), injection(9, 13), True),  # right after
        (outage(17, 18), injection(9, 13), False),  # long after
        (outage(5, 8), injection(9, 13), False),  # before
        (outage(2, 12, noticed=8), injection(9, 13), False),  # it failed before
        (outage(10, 30), injection(9, 13), False),  # it went on for too long
        (outage(10, 12), injection(9, 13, hurts=False), False),  # no excuse
    ],
)
def test_an_outage_is_explained_by_a_fault_of_that_time_alone(
    seen: Outage, injected: Injection, *, explained: bool
) -> None:
    (found,) = explain([seen], [injected])

    assert found.cause == ("kill web" if explained else None)


def test_outages_of_two_searchers_at_once_are_one() -> None:
    found = explain([outage(11, 14), outage(10, 12), outage(20, 21)], [])

    assert [(one.began, one.ended, one.failures) for one in found] == [(10, 14, 2), (20, 21, 1)]


def test_failures_in_a_row_are_one_outage_until_a_search_works() -> None:
    seen = Outages()
    first = time.monotonic()
    seen.failed(first, "refused")
    seen.failed(first + 1, "503")
    seen.worked(first + 2)
    seen.worked(first + 3)
    seen.failed(first + 5, "refused")
    seen.close()

    assert [(one.began, one.failures, one.reason) for one in seen.seen] == [
        (first, 2, "refused"),
        (first + 5, 1, "refused"),
    ]
    assert seen.seen[0].seconds == 2


def test_a_time_is_disturbed_while_a_fault_is_at_work() -> None:
    injections = Injections()
    before = time.monotonic()
    with injections.during("pause index", hurts_searches=False):
        assert injections.any_between(before, time.monotonic())
    assert not injections.any_between(before - 9, before - 1)


def test_percentiles_are_of_what_was_timed() -> None:
    found = Percentiles.of([float(number) for number in range(100)])

    assert found == Percentiles(count=100, p50=50.0, p95=95.0, p99=99.0)
    assert Percentiles.of([]) is None
