"""Numbers as people read them."""

import pytest

from shared.words import counted, size


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1536, "1.5 kB"),
        (252_400_000, "252 MB"),
        (999_999_999, "1.0 GB"),
        (5_000_000_000, "5.0 GB"),
        (7_200_000_000_000, "7.2 TB"),
    ],
)
def test_sizes_choose_their_unit(count: int, words: str) -> None:
    assert size(count) == words


def test_one_is_one_and_others_are_several() -> None:
    assert counted(1, "job") == "1 job"
    assert counted(2000, "job") == "2,000 jobs"
    assert counted(2, "entry", "entries") == "2 entries"
