"""Mark the words of a query inside a passage that was found by its meaning."""

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_WORD = re.compile(r"\w+")
_LEAST_LETTERS = 3
_FIRST_WITHOUT_SPACES = "\N{CJK RADICAL REPEAT}"
"""From here on scripts write words without spaces between them: Chinese, Japanese and so on."""
_COMMON_WORDS = """
    about after all also and any anything are because been being but can could did does
    everything for from had has have her his how into its not nothing only other our out over
    she should some someone something such than that the their them then there these they this
    those through under until very was were what when where which while who why will with
    within without would you your
"""
_TOO_COMMON = frozenset(_COMMON_WORDS.split())
"""Words that nearly every English passage has: marking them would show nothing."""


def marked(passage: str, query: str) -> Markup:
    """Return a passage as HTML in which the words of a query are marked.

    The passage was not found by these words, but where it has them they are worth seeing.
    """
    words = sorted(set(_worth_marking(query)), key=len, reverse=True)
    if not words:
        return escape(passage)
    found = re.compile("|".join(map(_pattern, words)), re.IGNORECASE)
    parts, place = [], 0
    for one in found.finditer(passage):
        parts += [escape(passage[place : one.start()]), _marked(one.group())]
        place = one.end()
    return Markup("").join([*parts, escape(passage[place:])])


def _worth_marking(query: str) -> Iterator[str]:
    for word in _WORD.findall(query):
        if _runs_together(word):
            yield word
        elif len(word) >= _LEAST_LETTERS and word.lower() not in _TOO_COMMON:
            yield word.lower()


def _pattern(word: str) -> str:
    whole = re.escape(word)
    return whole if _runs_together(word) else rf"(?<!\w){whole}(?!\w)"


def _runs_together(word: str) -> bool:
    return any(letter >= _FIRST_WITHOUT_SPACES for letter in word)


def _marked(text: str) -> Markup:
    return Markup("<mark>{}</mark>").format(text)
