import time

import pytest

from shared.domain import Metric, State, rfc3339
from web import formats


def test_times_are_written_with_milliseconds_and_z() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1795359600.1234) == "2026-11-22T15:00:00.123Z"


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (-5, "just now"),
        (1, "just now"),
        (30, "30 seconds ago"),
        (61, "1 minute ago"),
        (7300, "2 hours ago"),
        (90_000, "1 day ago"),
        (900_000, "10 days ago"),
    ],
)
def test_ages_are_in_words(age: float, words: str) -> None:
    assert formats.ago(time.time() - age) == words


def test_spans_choose_their_unit() -> None:
    assert formats.span(1.0, 1.25) == "250 ms"
    assert formats.span(1.0, 3.5) == "2.5 s"
    assert formats.span(1.0, 11.0) == "10 s"
    assert formats.span(2.0, 1.0) == "0 ms"
    assert formats.span(1.0, None) == "\N{EN DASH}"


def test_every_state_has_words_and_scores_their_digits() -> None:
    assert set(formats.STATE_WORDS) == set(State)
    assert formats.score(0.12345, Metric.COSINE) == "0.123"
    assert formats.score(12345.678, Metric.L2) == "1.235e+04"


@pytest.mark.parametrize(
    ("title", "text", "name"),
    [
        ("Tea", "about leaves", "Tea"),
        ("  ", "  two\n\n words ", "two words"),
        ("", " \n", "an id"),
        ("", "word " * 40, f"{'word ' * 15}word…"),
        ("", "鯨" * 200, f"{'鯨' * 80}…"),
        ("", f"see {'x' * 200}", f"see {'x' * 76}…"),
    ],
)
def test_a_document_without_a_title_is_called_by_its_first_words(
    title: str, text: str, name: str
) -> None:
    assert formats.called(title, text, "an id") == name
