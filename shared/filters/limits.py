"""How large a filter may be, counted while it is read."""

from dataclasses import dataclass

from shared.domain.filters import FilterLimits, Op, Value

DEEPEST = 50
"""Levels of parentheses, `not` and lists: each takes a few frames of the reader's stack."""


class Refused(ValueError):
    """What is wrong with a filter, without where."""


@dataclass(slots=True)
class Meter:
    """What was read so far of one filter."""

    limits: FilterLimits
    nodes: int = 0
    values: int = 0
    depth: int = 0

    def node(self) -> None:
        """Count a condition, or what joins some.

        Raises:
            Refused: too many.
        """
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            raise Refused(f"there are more than {self.limits.nodes} conditions")

    def value(self) -> None:
        """Count a value of an `in` list.

        Raises:
            Refused: too many.
        """
        self.values += 1
        if self.values > self.limits.values:
            raise Refused(f"there are more than {self.limits.values} values in lists")

    def descend(self) -> None:
        """Go a level deeper.

        Raises:
            Refused: too deep.
        """
        self.depth += 1
        if self.depth > DEEPEST:
            raise Refused(f"it is nested deeper than {DEEPEST} levels")

    def ascend(self) -> None:
        """Come back from a level."""
        self.depth -= 1


def check_comparison(op: Op, value: Value) -> None:
    """Make sure that a comparison can ever hold.

    Raises:
        Refused: it cannot, so it is a mistake.
    """
    if value is None and op is not Op.EQUAL:
        raise Refused(f"null can only be compared by `=`, not by `{op}`")
    if isinstance(value, bool) and op.ordering:
        raise Refused(f"true and false can only be compared by `=` and `!=`, not by `{op}`")
