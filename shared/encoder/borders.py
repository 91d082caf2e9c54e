"""Where a text may be cut: its tokens, and what stands between each two of them."""

import re
from collections.abc import Iterable
from enum import IntEnum

SENTENCE_ENDS = frozenset(".!?…‽⸮؟۔।॥")  # noqa: RUF001 - other scripts are meant
WIDE_SENTENCE_ENDS = frozenset("。！？．｡")  # noqa: RUF001
"""These end a sentence without a space after them."""
CLOSERS = frozenset("\"')]}»”’）」』】〉》")  # noqa: RUF001
BLANK = -1
"""Start of a token that is nothing but white space."""
PARAGRAPH = re.compile(r"\n[^\S\n]*\n|\u2029")


class Border(IntEnum):
    """What lies between two tokens; a higher one is a better place to cut."""

    NONE = 0
    """Inside a character, before white space or before the first word: never cut here."""
    TOKEN = 1
    WORD = 2
    SENTENCE = 3
    PARAGRAPH = 4


class Borders:
    """The tokens of one text by their characters; border *i* lies before token *i*."""

    def __init__(self, text: str, spans: Iterable[tuple[int, int]]) -> None:
        """Take the *spans* (start, end) of the tokens of *text*, in order."""
        self._text = text
        self._starts: list[int] = []
        self._ends: list[int] = []  # the furthest end so far: tokens may share a character
        furthest = 0
        for start, end in spans:
            # Some tokenizers count the space before a word to the word.
            while start < end and text[start].isspace():
                start += 1  # noqa: PLW2901 - the span shrinks
            while end > start and text[end - 1].isspace():
                end -= 1  # noqa: PLW2901
            if start < end:
                furthest = max(furthest, end)
                self._starts.append(start)
            else:
                self._starts.append(BLANK)
            self._ends.append(furthest)

    def __len__(self) -> int:
        return len(self._starts)

    def border(self, index: int) -> Border:
        """Judge the border before token *index* (1 to len - 1)."""
        text, left, right = self._text, self._ends[index - 1], self._starts[index]
        if right < left or not left:
            return Border.NONE
        gap = text[left:right]
        if PARAGRAPH.search(gap):
            return Border.PARAGRAPH
        last = self._last_character(left)
        if "\n" in gap or last in WIDE_SENTENCE_ENDS:
            return Border.SENTENCE
        if any(map(str.isspace, gap)):
            return Border.SENTENCE if last in SENTENCE_ENDS else Border.WORD
        return Border.TOKEN

    def cut(self, start: int, most: int) -> int:
        """Return where a passage from token *start* best ends, after *start*, at most at *most*.

        The best kind of border in the second half, the latest of its kind; else the latest
        border of all. If there is none up to *most*, the next one: the passage is too long then.
        """
        if most >= len(self):
            return len(self)
        best, where = Border.NONE, 0
        middle = start + (most - start) // 2
        for index in range(most, start, -1):
            if index < middle and best:
                break
            kind = self.border(index)
            if kind > best:
                best, where = kind, index
            if best is Border.PARAGRAPH:
                break
        if best:
            return where
        after = range(max(most, start) + 1, len(self))
        return next((index for index in after if self.border(index)), len(self))

    def back(self, stop: int, overlap: int, after: int) -> int:
        """Return where the passage that follows one ending at *stop* starts.

        At most *overlap* tokens before *stop* and after token *after*; at a sentence if one
        starts there, else at a word, else at *stop*.
        """
        places = range(max(stop - overlap, after + 1), stop)
        kinds = {index: self.border(index) for index in places}
        for wanted in (Border.SENTENCE, Border.WORD):
            for index, kind in kinds.items():
                if kind >= wanted:
                    return index
        return stop

    def begin(self, index: int) -> int:
        """Return the character where a passage from token *index* begins."""
        # What the tokenizer drops before the first token (control characters) belongs to it.
        return self._starts[index] if index else _first_character(self._text)

    def end(self, index: int) -> int:
        """Return the character where a passage up to token *index* (exclusive) ends."""
        end = self._starts[index] if index < len(self) else len(self._text)
        while end and self._text[end - 1].isspace():
            end -= 1
        return end

    def _last_character(self, end: int) -> str:
        while end > 1 and self._text[end - 1] in CLOSERS:
            end -= 1
        return self._text[end - 1] if end else ""


def _first_character(text: str) -> int:
    return len(text) - len(text.lstrip())
