"""What processes count together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Series(NamedTuple):
    """One number that only grows: of a counter, or one bucket of a histogram."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    """By name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How an installation was at one moment, for the plots of what happened lately.

    The sums only grow, so that the difference of two readings tells what happened between them,
    however many readings were missed.
    """

    at: float
    """By the catalog's clock."""
    sums: Mapping[str, float]
    """Of counters, and of histograms by bucket; see `shared/measures/history.py`."""
    backlog: Mapping[str, int]
    """Documents that no worker holds, by lane."""
    oldest_seconds: Mapping[str, float]
    """Age of the oldest of them, by lane."""
