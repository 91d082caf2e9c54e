"""The timeline of a collection: documents and segments of its kept versions, as lines to draw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain import VersionReport

WIDTH, HEIGHT = 960, 190
"""Of the drawing, in its own units."""
_LEFT, _RIGHT = 56, 12
_TOP = 34
"""Room for the flags of tags."""
_DOCUMENTS = 88
"""Height of the upper part."""
_GAP = 18
_SEGMENTS = HEIGHT - _TOP - _DOCUMENTS - _GAP - 6


@dataclass(frozen=True, slots=True)
class Moment:
    """A version on the timeline."""

    version: VersionReport
    x: float
    width: float
    """To the next one."""
    documents_y: float
    segments_y: float
    flag: str
    """Its tags, as far as there is room; empty without."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Both plots over the versions, oldest at the left. Each version has the same width."""

    moments: tuple[Moment, ...]
    documents_line: str
    """SVG path."""
    documents_area: str
    segments_line: str
    most_documents: int
    """What the top of the upper plot stands for."""
    most_segments: int
    documents_foot: float
    segments_top: float
    segments_foot: float
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def words(self) -> str:
        """Return what it shows, for those who do not see it."""
        first, last = self.moments[0].version, self.moments[-1].version
        documents = [one.version.documents for one in self.moments]
        return (
            f"From version {first.version} to {last.version}: documents from {documents[0]:,} to "
            f"{documents[-1]:,}, at least {min(documents):,} and at most {max(documents):,}; "
            f"segments from {first.segments:,} to {last.segments:,}. The list below says the same."
        )


def timeline(versions: Sequence[VersionReport]) -> Timeline | None:
    """Return the timeline of *versions*, in any order; None of fewer than two."""
    if len(versions) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    rising = sorted(versions, key=lambda one: one.version)
    width = (WIDTH - _LEFT - _RIGHT) / len(rising)
    most_documents = _round_up(max(one.documents for one in rising))
    most_segments = _round_up(max(one.segments for one in rising))
    documents_foot = _TOP + _DOCUMENTS
    segments_foot = documents_foot + _GAP + _SEGMENTS
    flags = _flags(rising, width)
    moments = tuple(
        Moment(
            version=one,
            x=round(_LEFT + place * width, 1),
            width=round(width, 1),
            documents_y=round(documents_foot - _DOCUMENTS * one.documents / most_documents, 1),
            segments_y=round(segments_foot - _SEGMENTS * one.segments / most_segments, 1),
            flag=flags[place],
        )
        for place, one in enumerate(rising)
    )
    line = _steps([(one.x, one.documents_y, one.width) for one in moments])
    return Timeline(
        moments=moments,
        documents_line=line,
        documents_area=f"{line} V{documents_foot} H{moments[0].x} Z",
        segments_line=_steps([(one.x, one.segments_y, one.width) for one in moments]),
        most_documents=most_documents,
        most_segments=most_segments,
        documents_foot=documents_foot,
        segments_top=documents_foot + _GAP,
        segments_foot=segments_foot,
    )


def _steps(points: Sequence[tuple[float, float, float]]) -> str:
    """Return an SVG path that stays at the height of each version until the next one."""
    (x, y, width), *others = points
    path = [f"M{x} {y} H{x + width:.1f}"]
    path += [f"V{y} H{x + width:.1f}" for x, y, width in others]
    return " ".join(path)


def _flags(versions: Sequence[VersionReport], width: float) -> list[str]:
    """Return what each flag says, cut to the room until the next one; none is left out silently.

    Where there is no room for a word it is a mere mark; the list names all of them.
    """
    flags = [""] * len(versions)
    tagged = [place for place, one in enumerate(versions) if one.tags]
    for number, place in enumerate(tagged):
        end = tagged[number + 1] if number + 1 < len(tagged) else len(versions) + 8
        room = (end - place) * width
        letters = int(room / 7.5) - 2
        text = ", ".join(versions[place].tags)
        flags[place] = text if len(text) <= letters else f"{text[: max(letters, 0)]}…"
    return flags


def _round_up(value: int) -> int:
    """Return 1, 2 or 5 times a power of ten, not below *value*."""
    if value <= 1:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return int(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value))
