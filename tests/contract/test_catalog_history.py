"""What every catalog promises of the readings that plots are made of."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import update

from shared.catalog import SqlHistory
from shared.catalog.tables import ReadingRow
from shared.domain import Reading
from tests.contract.catalogs import Catalog

HOUR = 3600.0


def reading(documents: float) -> Reading:
    return Reading(
        at=0.0,
        sums={"documents": documents, "search:0.5": 2.0},
        backlog={"interactive": 3, "bulk": 0},
        oldest_seconds={"interactive": 1.5, "bulk": 0.0},
    )


def move(catalog: Catalog, seconds: float) -> None:
    """Let every reading have been taken so much later, in a slot of its own."""
    with catalog.database.write() as tx:
        tx.execute(
            update(ReadingRow).values(
                at=ReadingRow.at + seconds, slot=ReadingRow.slot + int(seconds // HOUR)
            )
        )


def test_of_many_that_read_at_once_one_is_kept_whole(catalog: Catalog) -> None:
    history = SqlHistory(catalog.database)

    with ThreadPoolExecutor(4) as pool:
        kept = list(
            pool.map(
                lambda turn: history.keep(reading(turn), every_seconds=HOUR, kept_seconds=HOUR),
                range(8),
            )
        )
    (found,) = history.readings(within_seconds=60)

    # The hour may end between two of them.
    assert 1 <= kept.count(True) <= 2
    assert abs(found.at - catalog.roster.now()) < 60
    assert found.sums["search:0.5"] == 2.0
    assert found.backlog == {"interactive": 3, "bulk": 0}
    assert found.oldest_seconds == {"interactive": 1.5, "bulk": 0.0}


def test_old_readings_go_and_so_do_those_ahead_of_a_clock_put_back(catalog: Catalog) -> None:
    history = SqlHistory(catalog.database)
    for age in (-3 * HOUR, 5 * HOUR):
        history.keep(reading(1.0), every_seconds=HOUR, kept_seconds=HOUR)
        move(catalog, age)

    history.keep(reading(7.0), every_seconds=HOUR, kept_seconds=HOUR)

    assert [one.sums["documents"] for one in history.readings(within_seconds=9 * HOUR)] == [7.0]
