"""Dead letters as tests look at them."""

from dataclasses import dataclass

from shared.domain import (
    DeadLetter,
    DeadLetterContent,
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterKind,
)
from shared.ports import DeadLetters


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that was refused, and what is kept of it."""

    letter: DeadLetter
    content: DeadLetterContent

    @property
    def id(self) -> int:
        return self.letter.id.number

    @property
    def reason(self) -> str:
        return self.letter.reason

    @property
    def detail(self) -> str:
        return self.letter.detail

    @property
    def raw(self) -> bytes:
        assert isinstance(self.content, bytes)
        return self.content


def refused(dead_letters: DeadLetters, *, replayed: bool = False) -> list[Refused]:
    """Return the refused messages, newest first, at most a thousand."""
    which = DeadLetterFilter(kind=DeadLetterKind.MESSAGE, replayed=replayed)
    page = dead_letters.page(which, limit=1000)
    assert page.next_cursor is None
    found = [dead_letters.find(one.id) for one in page.letters]
    return [Refused(letter=letter, content=content) for letter, content in found]


def failed(dead_letters: DeadLetters) -> list[DeadLetter]:
    """Return the documents that failed, newest first, at most a thousand."""
    page = dead_letters.page(DeadLetterFilter(kind=DeadLetterKind.DOCUMENT), limit=1000)
    assert page.next_cursor is None
    return list(page.letters)


def message(number: int) -> DeadLetterId:
    return DeadLetterId(DeadLetterKind.MESSAGE, number)


def document(number: int) -> DeadLetterId:
    return DeadLetterId(DeadLetterKind.DOCUMENT, number)
