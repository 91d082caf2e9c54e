"""What processes count together."""

from typing import NamedTuple


class Series(NamedTuple):
    """One number that only grows: of a counter, or one bucket of a histogram."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    """By name."""
