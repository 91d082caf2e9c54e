"""How deep JSON is nested, asked without recursion."""

from collections.abc import Mapping, Sequence

from shared.domain import Json


def deeper_than(value: Json, depth: int) -> bool:
    """Whether objects and lists nest in *value* more than *depth* deep.

    Walks level by level, so that hostile nesting cannot exhaust the stack.
    """
    level: Sequence[Json] = [value]
    for _ in range(depth):
        inner: list[Json] = []
        for one in level:
            if isinstance(one, Mapping):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        if not inner:
            return False
        level = inner
    return any(isinstance(one, Mapping | list) for one in level)
