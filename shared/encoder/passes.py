"""Which texts go through the model together."""

from collections.abc import Sequence


def plan(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts into passes of at most *budget* padded tokens, longest first.

    Args:
        lengths: tokens of each text.
        budget: rows x longest row of a pass; a text longer than it makes a pass alone.

    Returns:
        Positions in *lengths*, each exactly once; inside a pass and over all passes by falling
        length, ties in the order given, so that little is padded.
    """
    passes: list[list[int]] = []
    room = 0
    for position in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        if room < 1:
            passes.append([])
            room = budget // max(1, lengths[position])
        passes[-1].append(position)
        room -= 1
    return passes
