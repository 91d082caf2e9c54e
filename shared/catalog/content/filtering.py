"""Filters as SQL over the rows of `fields.py`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    TextClause,
    and_,
    false,
    func,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import aliased

from shared.catalog.content.fields import HEAD, path_key
from shared.catalog.tables import FieldRow
from shared.domain.filters import (
    And,
    Compare,
    Exists,
    Filter,
    Kind,
    Not,
    Op,
    Or,
    Path,
    Prefix,
    Value,
    Within,
    as_number,
)

_field = aliased(FieldRow, name="field")
_LAST_CHARACTER = "\U0010ffff"
_SURROGATES = range(0xD800, 0xE000)
_field_is_neither = text("field.kind NOT IN ('text', 'number')")
"""As the partial index says it: SQLite sees no bound values when it chooses one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Revisions of a collection that a filter is asked about."""

    collection_id: int
    revision: SQLColumnExpression[int]
    """The column that holds them in the statement around."""
    listed: bool
    """Whether what a condition lets through is listed, and each revision looked up in the list.

    SQLite is best told to; otherwise each revision's own values are looked at. PostgreSQL finds
    the better of both by itself, but not if it is told to list.
    """
    first: int | None = None
    """They all lie from here"""
    last: int | None = None
    """to here, if that is known."""


def holds(condition: Filter, asked: Asked) -> ColumnElement[bool]:
    """Return the condition under which a filed revision matches."""
    match condition:
        case And(parts):
            return and_(*(holds(part, asked) for part in parts))
        case Or(parts):
            return or_(*(holds(part, asked) for part in parts))
        case Not(part):
            return not_(holds(part, asked))
        case Exists(path):
            # Three, so that each of the partial indexes serves its part.
            kinds = _field.text.is_not(None), _field.number.is_not(None), _field_is_neither
            return or_(*(_some(path, one, asked) for one in kinds))
        case Compare(path) | Within(path) | Prefix(path):
            return _some(path, _value_holds(condition), asked)


def _some(path: Path, value: ColumnElement[bool] | TextClause, asked: Asked) -> ColumnElement[bool]:
    """Return the condition under which some value at *path* is such a *value*."""
    wanted = select(_field.revision_id).where(
        _field.collection_id == asked.collection_id, _field.path == path_key(path), value
    )
    if asked.first is not None and asked.last is not None:
        wanted = wanted.where(_field.revision_id.between(asked.first, asked.last))
    if asked.listed:
        return asked.revision.in_(wanted)
    return wanted.where(_field.revision_id == asked.revision).exists()


def _value_holds(part: Compare | Within | Prefix) -> ColumnElement[bool]:
    match part:
        case Prefix(_, prefix):
            return _begins(prefix)
        case Within(_, values):
            return _equals_one(values)
        case Compare(_, op, value):
            return _compares(op, value)


def _compares(op: Op, value: Value) -> ColumnElement[bool]:
    if isinstance(value, str):
        return _compares_text(op, value)
    if isinstance(value, bool):
        wanted = value if op is Op.EQUAL else not value
        return _is_kind(Kind.TRUE if wanted else Kind.FALSE)
    if value is None:
        return _is_kind(Kind.NULL) if op is Op.EQUAL else false()
    compared: ColumnElement[bool] = _field.number.op(_SQL[op], is_comparison=True)(as_number(value))
    return and_(_field.number.is_not(None), compared)


_SQL = {one: one.value for one in Op} | {Op.UNEQUAL: "<>"}


def _is_kind(kind: Kind) -> ColumnElement[bool]:
    return and_(_field_is_neither, _field.kind == kind.value)


def _compares_text(op: Op, text: str) -> ColumnElement[bool]:
    """Compare by the indexed beginning, and only where that cannot tell, by the whole.

    A text that was cut has exactly HEAD characters, so one of fewer is told by the beginning alone.
    """
    there = _field.text.is_not(None)
    if len(text) < HEAD:
        return and_(there, _field.text.op(_SQL[op], is_comparison=True)(text))
    exact: ColumnElement[bool] = _whole().op(_SQL[op], is_comparison=True)(text)
    if op is Op.UNEQUAL:
        return and_(there, exact)
    # Cutting keeps order, if not strictly.
    near = {Op.LESS: "<=", Op.MORE: ">="}.get(op, op.value)
    return and_(there, _field.text.op(near, is_comparison=True)(text[:HEAD]), exact)


def _begins(text: str) -> ColumnElement[bool]:
    there, after = _field.text.is_not(None), after_prefix(text[:HEAD])
    conditions = [there, _field.text >= text[:HEAD]]
    if after is not None:
        conditions.append(_field.text < after)
    if len(text) > HEAD:
        conditions.append(func.substr(_whole(), 1, len(text)) == text)
    return and_(*conditions)


def after_prefix(prefix: str) -> str | None:
    """Return the first text, by code points, past all that begin with *prefix*; None if none is."""
    kept = prefix.rstrip(_LAST_CHARACTER)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    if following in _SURROGATES:
        following = _SURROGATES.stop
    return kept[:-1] + chr(following)


def _equals_one(values: Sequence[Value]) -> ColumnElement[bool]:
    texts = [one for one in values if isinstance(one, str)]
    numbers = [as_number(one) for one in values if type(one) in (int, float)]  # type: ignore[arg-type]
    others = [one for one in values if one is None or isinstance(one, bool)]
    short = [one for one in texts if len(one) < HEAD]
    found = [_compares_text(Op.EQUAL, one) for one in texts if len(one) >= HEAD]
    found += [_compares(Op.EQUAL, one) for one in others]
    if short:
        found.append(and_(_field.text.is_not(None), _field.text.in_(short)))
    if numbers:
        found.append(and_(_field.number.is_not(None), _field.number.in_(numbers)))
    return or_(*found)


def _whole() -> SQLColumnExpression[str]:
    return func.coalesce(_field.whole, _field.text)
