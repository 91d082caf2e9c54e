"""A filter as JSON again: the form that `read_json` takes, and a name for caches."""

import json

from shared.domain import Json
from shared.domain.filters import And, Compare, Exists, Filter, Not, Or, Prefix, Within


def to_json(condition: Filter) -> Json:  # noqa: PLR0911 - one a kind of condition
    """Return the JSON tree of a filter; `read_json` makes the same filter of it."""
    match condition:
        case And(parts):
            return {"and": [to_json(part) for part in parts]}
        case Or(parts):
            return {"or": [to_json(part) for part in parts]}
        case Not(part):
            return {"not": to_json(part)}
        case Exists(path):
            return {"exists": list(path)}
        case Prefix(path, text):
            return {"prefix": [list(path), text]}
        case Compare(path, op, value):
            return {op.value: [list(path), value]}
        case Within(path, values):
            return {"in": [list(path), list(values)]}


def canonical(condition: Filter) -> str:
    """Return one text for equal filters, and another for others: `1` is not `true` in it."""
    return json.dumps(to_json(condition), ensure_ascii=False, separators=(",", ":"))
