"""What every catalog promises of the processes that say that they are alive."""

from sqlalchemy import select, update

from shared.catalog.tables import ProcessRow
from shared.domain import Condition
from tests.contract.catalogs import Catalog

DAY = 86_400.0


def move_beat(catalog: Catalog, process: str, seconds: float) -> None:
    """Let the last beat of a process have been so long after now."""
    with catalog.database.write() as tx:
        at = catalog.roster.now() + seconds
        tx.execute(update(ProcessRow).where(ProcessRow.process == process).values(beat_at=at))


def test_a_process_is_listed_as_it_says_that_it_is(catalog: Catalog) -> None:
    said = Condition(
        schema="0003", encoders=("f1", "f2"), trouble="The disk is full.", trouble_seconds=12.5
    )
    catalog.roster.beat("h:2", "index", said)
    catalog.roster.beat("h:1", "index")
    catalog.roster.beat("h:3", "web")

    first, second, third = catalog.roster.processes(within_seconds=60)

    assert [first.name, second.name, third.name] == ["h:1", "h:2", "h:3"]
    assert [first.kind, second.kind, third.kind] == ["index", "index", "web"]
    assert first.condition == Condition()
    assert first.troubled_since is None
    assert second.condition == said
    assert second.troubled_since == second.beat_at - 12.5
    assert abs(catalog.roster.now() - second.beat_at) < 60


def test_a_trouble_that_is_over_is_not_said_any_more(catalog: Catalog) -> None:
    catalog.roster.beat("h:1", "index", Condition(trouble="The disk is full."))
    catalog.roster.beat("h:1", "index", Condition())

    (process,) = catalog.roster.processes(within_seconds=60)

    assert process.condition.trouble is None


def test_what_other_code_says_is_read_as_far_as_it_is_known(catalog: Catalog) -> None:
    for process, detail in (("h:1", None), ("h:2", '{"trouble": "x", "mood": "sad"}')):
        catalog.roster.beat(process, "index")
        with catalog.database.write() as tx:
            said = update(ProcessRow).where(ProcessRow.process == process).values(detail=detail)
            tx.execute(said)

    older, newer = catalog.roster.processes(within_seconds=60)

    assert older.condition == Condition()
    assert newer.condition == Condition(trouble="x")


def test_a_process_whose_beat_is_far_in_the_future_is_not_alive(catalog: Catalog) -> None:
    """The clock was put back, and it said nothing since."""
    for process in ("dead:1", "living:2"):
        catalog.roster.beat(process, "index")
        move_beat(catalog, process, 3600)
    catalog.roster.beat("living:2", "index")

    assert catalog.roster.alive(within_seconds=15) == {"index": 1}
    assert [one.name for one in catalog.roster.processes(within_seconds=15)] == ["living:2"]


def test_processes_long_gone_are_struck_off_when_a_new_one_comes(catalog: Catalog) -> None:
    for process, age in (("old:1", 8 * DAY), ("recent:2", 6 * DAY)):
        catalog.roster.beat(process, "index")
        move_beat(catalog, process, -age)
    catalog.roster.beat("recent:3", "index")

    with catalog.database.read() as tx:
        names = sorted(tx.scalars(select(ProcessRow.process)))
    assert names == ["recent:2", "recent:3"]
