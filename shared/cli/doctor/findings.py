"""What the doctor says of one thing that it looked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import LaminaError


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but not as it should, or may not for long."""
    WRONG = "wrong"
    """Something does not work, or is not safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report."""

    level: Level
    subject: str
    words: str
    advice: str = ""
    """What to do; empty where all is well."""


def ok(subject: str, words: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(level=Level.OK, subject=subject, words=words)


def warning(subject: str, words: str, advice: str) -> Finding:
    """Return that something works, but not as it should."""
    return Finding(level=Level.WARNING, subject=subject, words=words, advice=advice)


def wrong(subject: str, words: str, advice: str) -> Finding:
    """Return that something does not work."""
    return Finding(level=Level.WRONG, subject=subject, words=words, advice=advice)


def look(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what *check* finds; an error of the product's own that ends it is a finding too."""
    try:
        yield from check()
    except LaminaError as error:
        yield wrong(subject, f"{error.title}: {error}", "This could not be looked at any further.")
