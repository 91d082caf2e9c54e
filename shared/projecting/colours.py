"""What the points of a map are coloured by: their cluster, or a field of their metadata."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shared.domain import Json, Metadata

SHADES = 10
"""Values of a field that get a colour of their own; what is rarer shares one."""
_STEPS = 5
_WORD = re.compile(r"[^\W\d_]{3,}")
_SHOWN_WORDS = 3
_LONGEST_LABEL = 40
_FEWEST = 2
"""Points that must agree on a word before it can describe their cluster."""

Shades: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Colouring:
    """A colour for each point, and what the colours mean."""

    by: str | None
    """A field of the metadata; None for the cluster."""
    shades: Shades
    """Of each point: the number of its label; None where the field has no value."""
    labels: tuple[str, ...]
    rising: bool = False
    """Whether the labels are steps of one scale, lowest first."""


def by_cluster(clusters: Sequence[int], texts: Sequence[str]) -> Colouring:
    """Return a colour for each cluster, described by the words that are its own.

    Args:
        clusters: of each point, from 0.
        texts: of each point, title or passage.
    """
    count = max(clusters, default=-1) + 1
    within = [Counter[str]() for _ in range(count)]
    for number, text in zip(clusters, texts, strict=True):
        within[number].update({word.casefold() for word in _WORD.findall(text)})
    everywhere: Counter[str] = Counter()
    for words in within:
        everywhere.update(words)
    sizes = Counter(clusters)
    labels = [
        _own_words(within[one], everywhere, sizes[one], len(clusters)) or f"group {one + 1}"
        for one in range(count)
    ]
    return Colouring(by=None, shades=tuple(clusters), labels=_told_apart(labels))


def by_field(name: str, values: Sequence[Json]) -> Colouring:
    """Return a colour for each value of a metadata field; numbers share those of five steps.

    Args:
        name: of the field.
        values: of each point; None where it has none.
    """
    there = [one for one in values if one is not None]
    if all(_number(one) is not None for one in there) and len(set(map(_number, there))) > SHADES:
        return _by_steps(name, values)
    known = [None if one is None else _label(one) for one in values]
    counts = Counter(one for one in known if one is not None)
    common = [label for label, _ in counts.most_common(SHADES)]
    if len(counts) > SHADES:
        common = [*common[: SHADES - 1], f"{len(counts) - SHADES + 1} others"]
    place = {label: number for number, label in enumerate(common)}
    last = len(common) - 1
    shades = tuple(None if one is None else place.get(one, last) for one in known)
    return Colouring(by=name, shades=shades, labels=tuple(common))


def fields_of(metadata: Sequence[Metadata]) -> tuple[str, ...]:
    """Return the fields that tell points apart, the one that most points have first.

    A field with another value in nearly every point is left out, unless it holds numbers.
    """
    counts: Counter[str] = Counter()
    seen: dict[str, set[str]] = {}
    numeric: dict[str, bool] = {}
    for one in metadata:
        for name, value in one.items():
            if value is None or isinstance(value, dict):
                continue
            counts[name] += 1
            seen.setdefault(name, set()).add(_label(value))
            numeric[name] = numeric.get(name, True) and _number(value) is not None
    return tuple(
        name
        for name, count in counts.most_common()
        if len(seen[name]) > 1 and (numeric[name] or 2 * len(seen[name]) <= count)
    )


def _by_steps(name: str, values: Sequence[Json]) -> Colouring:
    """Colour numbers by fifths of the points."""
    numbers = [_number(one) for one in values]
    known = sorted(one for one in numbers if one is not None)
    fifths = {known[len(known) * part // _STEPS] for part in range(1, _STEPS)}
    borders = sorted(fifths - {known[0]})
    edges = [known[0], *borders, known[-1]]
    labels = tuple(f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges))
    shades = tuple(
        None if one is None else sum(one >= border for border in borders) for one in numbers
    )
    return Colouring(by=name, shades=shades, labels=labels, rising=True)


def _own_words(words: Counter[str], everywhere: Counter[str], size: int, all_: int) -> str:
    """Return the words that are more frequent in a cluster than elsewhere, most telling first."""
    share = size / max(all_, 1)
    telling = {
        word: count * (count / everywhere[word] - share)
        for word, count in words.items()
        if count >= _FEWEST
    }
    best = sorted(telling, key=lambda word: (-telling[word], word))
    return ", ".join(word for word in best[:_SHOWN_WORDS] if telling[word] > 0)


def _told_apart(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels of which no two are alike."""
    seen: Counter[str] = Counter()
    told = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(told)


def _label(value: Json) -> str:
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list | tuple):
        text = ", ".join(map(str, value))
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _number(value: Json) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None
