"""Words of a query are marked where they stand, and nothing else is."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.marking import marked


@pytest.mark.parametrize(
    ("passage", "query", "expected"),
    [
        ("Green tea, greener.", "green TEA", "<mark>Green</mark> <mark>tea</mark>, greener."),
        ("why the sea swells", "why does the sea rise", "why the <mark>sea</mark> swells"),
        ("no <b>bread</b>", "bread", "no &lt;b&gt;<mark>bread</mark>&lt;/b&gt;"),
        ("機械翻訳の歴史", "翻訳", "機械<mark>翻訳</mark>の歴史"),
        ("شاي أخضر", "أخضر", "شاي <mark>أخضر</mark>"),
        ("a+b (c)", "a+b (c)", "a+b (c)"),
        ("anything", "", "anything"),
    ],
)
def test_whole_words_worth_seeing_are_marked(passage: str, query: str, expected: str) -> None:
    assert str(marked(passage, query)) == expected


@given(st.text(), st.text())
def test_nothing_of_a_passage_is_lost_and_nothing_is_added_but_marks(
    passage: str, query: str
) -> None:
    shown = str(marked(passage, query))

    assert html.unescape(re.sub("</?mark>", "", shown)) == passage
