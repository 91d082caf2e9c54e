"""Ids made by the program."""

from shared.catalog.engine.identity import new_id


def test_ids_are_32_hex_digits_that_never_repeat_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(len(one) == 32 and int(one, 16) for one in ids)
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)
