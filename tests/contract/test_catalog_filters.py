"""Filters in SQL mean what they mean, on both databases."""

import json
from collections.abc import Mapping

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from shared.catalog import SqlMatching
from shared.catalog.content.fields import HEAD, MOST
from shared.catalog.tables import FieldRow, RevisionRow
from shared.domain import Collection, Json, Metadata, NewDocument
from shared.domain.filters import (
    And,
    Compare,
    Exists,
    Filter,
    FilterLimits,
    Not,
    Op,
    Or,
    Prefix,
    Value,
    Within,
    matches,
)
from shared.filters import read_text
from tests.contract.catalogs import Catalog

LIMITS = FilterLimits(characters=4000, nodes=100, values=1000)
EVERYTHING = {"first": 0, "last": 2**62}
LONG = "x" * (HEAD - 1)

names = st.sampled_from(["a", "b", "a.b", "é", "a/b", "n" * 300])
texts = st.one_of(
    st.sampled_from(
        ["", "a", "A", "ab", "ä", "\ud7ff", "\ue000", "\U0010ffff", "\uffff", "%", "_"]
    ),
    st.sampled_from([LONG, LONG + "x", LONG + "xy", LONG + "xz", LONG + "y"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=3),
)
numbers = st.one_of(
    st.sampled_from([0, -0.0, 1, 1.0, -1, 1.5, 2**53, 2**53 + 1, 10**400, -(10**400), 5e-324]),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
)
scalars = st.one_of(texts, numbers, st.booleans(), st.none())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)
metadata = st.dictionaries(names, values, max_size=4)
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
literals = st.one_of(
    texts, numbers.map(lambda one: float(min(max(one, -1e300), 1e300))), st.booleans(), st.none()
)


def _sensible(op: Op, value: Value) -> Op:
    if value is None:
        return Op.EQUAL
    return Op.UNEQUAL if isinstance(value, bool) and op.ordering else op


leaves = st.one_of(
    st.builds(lambda p, o, v: Compare(p, _sensible(o, v), v), paths, st.sampled_from(Op), literals),
    st.builds(Within, paths, st.lists(literals, min_size=1, max_size=4).map(tuple)),
    st.builds(Exists, paths),
    st.builds(Prefix, paths, texts),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)


def plainly(condition: Filter, document: Metadata) -> bool:
    """What a filter means, written down a second time and as plainly as possible."""
    if isinstance(condition, And | Or):
        parts = [plainly(part, document) for part in condition.parts]
        return all(parts) if isinstance(condition, And) else any(parts)
    if isinstance(condition, Not):
        return not plainly(condition.part, document)
    found = [json.loads(one) for one in _found(document, condition.path)]
    if isinstance(condition, Exists):
        return len(found) > 0
    if isinstance(condition, Prefix):
        text = condition.text
        return any(type(one) is str and one[: len(text)] == text for one in found)
    if isinstance(condition, Compare):
        return any(_same(one, condition.op, condition.value) for one in found)
    return any(_same(one, Op.EQUAL, value) for one in found for value in condition.values)


def _found(value: Json, path: tuple[str, ...]) -> list[str]:
    if isinstance(value, list):
        inside = [one for element in value for one in _found(element, path)]
        return inside if value or path else ["[]"]
    if not path:
        return [json.dumps(value)]
    if isinstance(value, Mapping) and path[0] in value:
        return _found(value[path[0]], path[1:])
    return []


def _same(found: object, op: Op, wanted: Value) -> bool:
    if type(found) in (int, float) and type(wanted) in (int, float):
        # As 64-bit floats; what is larger than all of them is an infinity.
        found = float(str(found))
    elif type(found) is not type(wanted):
        return False
    if op in (Op.EQUAL, Op.UNEQUAL):
        return (found == wanted) is (op is Op.EQUAL)
    less, equal = found < wanted, found == wanted  # type: ignore[operator]  # of one type
    return (less if "<" in op.value else not less and not equal) or (equal and "=" in op.value)


def put(name: str, content: Metadata) -> NewDocument:
    return NewDocument(id=name, text="some text", metadata=content)


def found(catalog: Catalog, collection: Collection, condition: Filter | str) -> list[str]:
    """Return the documents whose vectors match."""
    if isinstance(condition, str):
        condition = read_text(condition, LIMITS)
    ids = SqlMatching(catalog.database).matching(
        collection.id, collection.space.id, condition, **EVERYTHING
    )
    assert (np.diff(ids) > 0).all()
    records = catalog.reading.passages(ids.tolist())
    return sorted(records[int(one)].external_id for one in ids)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(
    contents=st.lists(metadata, min_size=1, max_size=12),
    conditions=st.lists(filters, min_size=8, max_size=8),
)
@example(
    contents=[{"a": LONG + "xy"}, {"a": LONG + "xz"}, {"a": LONG + "x"}],
    conditions=[Compare(("a",), op, LONG + "xy") for op in Op],
)
def test_sql_and_python_agree_with_the_plain_meaning(
    catalog: Catalog, contents: list[Metadata], conditions: list[Filter]
) -> None:
    name = f"c{len(catalog.collections.stats())}"
    collection = catalog.collection(name)
    catalog.submit(*(put(f"d{n}", one) for n, one in enumerate(contents)), collection=name)
    catalog.index_all()

    for condition in conditions:
        wanted = sorted(f"d{n}" for n, one in enumerate(contents) if plainly(condition, one))
        in_python = sorted(f"d{n}" for n, one in enumerate(contents) if matches(condition, one))
        assert in_python == wanted
        assert found(catalog, collection, condition) == wanted


def rows(catalog: Catalog) -> int:
    with catalog.database.read() as tx:
        return tx.scalars(select(func.count()).select_from(FieldRow)).one()


def test_metadata_of_many_values_have_one_row_and_are_filtered_all_the_same(
    catalog: Catalog,
) -> None:
    collection = catalog.collection()
    many: Metadata = {"number": list(range(2 * MOST)), "name": "many"}
    catalog.index(put("many", many), put("one", {"number": 7, "name": "one"}))

    assert rows(catalog) == 1 + 3
    assert found(catalog, collection, "number = 7") == ["many", "one"]
    assert found(catalog, collection, f"number = {MOST} and not exists(other)") == ["many"]
    assert found(catalog, collection, 'not name = "one"') == ["many"]


def test_metadata_that_an_earlier_lamina_stored_are_filed_when_they_are_asked_for(
    catalog: Catalog,
) -> None:
    collection = catalog.collection()
    other = catalog.collection("other")
    catalog.index(put("a", {"year": 1999}), put("b", {"year": 2001}))
    catalog.submit(put("c", {"year": 2001}), collection="other")
    catalog.index_all()
    with catalog.database.write() as tx:  # as if the columns were new
        tx.execute(delete(FieldRow))
        tx.execute(update(RevisionRow).values(filterable=False))

    assert found(catalog, collection, "year > 2000") == ["b"]
    assert rows(catalog) == 4
    assert found(catalog, other, "exists(year)") == ["c"]
    assert rows(catalog) == 6


def test_a_migration_files_all_there_is(catalog: Catalog) -> None:
    catalog.collection()
    catalog.index(put("a", {"year": 1999}), put("b", {"year": 2001}))
    with catalog.database.write() as tx:
        tx.execute(delete(FieldRow))
        tx.execute(update(RevisionRow).values(filterable=False))

    catalog.database.migrate()

    assert rows(catalog) == 4


def test_what_is_forgotten_or_purged_leaves_no_fields(catalog: Catalog) -> None:
    collection = catalog.collection()
    catalog.index(put("a", {"word": "secret"}), put("b", {"word": "public"}))
    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))
    with catalog.database.read() as tx:
        left = tx.scalars(select(FieldRow.text).where(FieldRow.text.is_not(None))).all()
    assert left == ["public"], "[purged] its metadata are there"

    catalog.index(put("b", {"word": "newer"}))
    catalog.tidy(collection)
    catalog.let_go(collection, 1)
    catalog.versions.forget(collection.id, limit=100)
    with catalog.database.read() as tx:
        left = tx.scalars(select(FieldRow.text).where(FieldRow.text.is_not(None))).all()
    assert left == ["newer"], "[forgotten] its metadata are there"


def test_metadata_of_other_collections_and_spaces_do_not_match(catalog: Catalog) -> None:
    first, second = catalog.collection("first"), catalog.collection("second")
    for name in ("first", "second"):
        catalog.submit(put(name, {"year": 1}), collection=name)
        catalog.index_all()

    assert found(catalog, first, "year = 1") == ["first"]
    assert found(catalog, second, "not year = 2") == ["second"]
    matching = SqlMatching(catalog.database)
    condition = read_text("year = 1", LIMITS)
    assert not len(matching.matching(first.id, second.space.id, condition, **EVERYTHING))
    assert not len(matching.matching(first.id, first.space.id, condition, first=0, last=0))
