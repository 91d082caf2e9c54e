"""What every catalog promises of what processes count."""

from concurrent.futures import ThreadPoolExecutor

from shared.domain import Series
from tests.contract.catalogs import Catalog

ONE = Series("one_total")
TWO = Series("two_bucket", (("le", "0.5"), ("stage", "a\"'\u00e9")))


def test_counts_of_many_processes_at_once_are_added_up(catalog: Catalog) -> None:
    def count(turn: int) -> None:
        # In another order each time, which must not matter.
        names = (ONE, TWO) if turn % 2 else (TWO, ONE)
        catalog.measures.add(dict.fromkeys(names, 0.5))

    catalog.measures.add({})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))

    assert catalog.measures.sums() == {ONE: 10.0, TWO: 10.0}
