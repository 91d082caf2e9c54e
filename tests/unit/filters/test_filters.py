"""Filters as text and as JSON are read into the same tree, and faults name their place."""

import pytest
from hypothesis import given

from shared.domain import Json
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
    Within,
)
from shared.errors import InvalidRequest
from shared.filters import canonical, read_json, read_path, read_text, to_json
from tests.contract.test_catalog_filters import filters

LIMITS = FilterLimits(characters=4000, nodes=100, values=100)
YEAR = Compare(("year",), Op.AT_LEAST, 2020.0)
GERMAN = Compare(("lang",), Op.EQUAL, "de")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("year >= 2020", YEAR),
        ("year>=2020", YEAR),
        ('lang = "de" or year >= 2020 and exists(x)', Or((GERMAN, And((YEAR, Exists(("x",))))))),
        ('(lang = "de" or year >= 2020) and exists(x)', And((Or((GERMAN, YEAR)), Exists(("x",))))),
        ("not not exists(a.b)", Not(Not(Exists(("a", "b"))))),
        ('not lang = "de" AND year >= 2020', And((Not(GERMAN), YEAR))),
        ('a in [1, true, null, "x"]', Within(("a",), (1.0, True, None, "x"))),
        ("a not in [1]", Not(Within(("a",), (1.0,)))),
        ('author.name prefix "Mc"', Prefix(("author", "name"), "Mc")),
        ('"odd name"."in" = null', Compare(("odd name", "in"), Op.EQUAL, None)),
        ("größe-2 != -1.5e3", Compare(("größe-2",), Op.UNEQUAL, -1500.0)),
        ('a = "\\u00e9\\"\\n"', Compare(("a",), Op.EQUAL, 'é"\n')),
        ("exists = 1", Compare(("exists",), Op.EQUAL, 1.0)),
    ],
)
def test_text_says_what_it_looks_like(text: str, tree: Filter) -> None:
    assert read_text(text, LIMITS) == tree
    assert canonical(read_text(text, LIMITS)) == canonical(tree)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "column 1: expected the name of a field, found the end"),
        ("year >=", "column 8: expected a value, found the end"),
        ("year = 2020 lang", "column 13: expected the end, `and` or `or`, found `lang`"),
        ("year ~ 1", "column 6: `~` has no meaning here"),
        ("lang = 'de'", "column 8: strings are in double quotes"),
        ('lang = "de', "column 8: the string has no end"),
        ("lang = de", "column 8: expected a value: strings are in double quotes"),
        ("lang de", "column 6: expected `=`, `!=`"),
        ("and = 1", "column 1: expected the name of a field, found the keyword `and`"),
        ("a in []", "column 7: expected a value, found `]`"),
        ("a in [1 2]", "column 9: expected `]`, found `2`"),
        ("(a = 1", "column 7: expected `)`, found the end"),
        ("a = 1.", "column 5: this is not a number as JSON writes it"),
        ("a = 1e999", "column 5: the number is too large"),
        ("a < null", "column 5: null can only be compared by `=`"),
        ("a >= true", "column 6: true and false can only be compared"),
        ("a prefix 5", "column 10: expected a string in double quotes, found `5`"),
        (r'a = "\q"', "column 6: the string has an escape"),
        (r'a = "\ud800"', "column 5: the string holds half of a surrogate pair"),
        (r'a = "\u0000"', "column 5: the string holds a NUL"),
        ("a. = 1", "column 4: expected the name of a field, found `=`"),
        (" or ".join(["a = 1"] * 100), "there are more than 100 conditions"),
        (f"a in [{', '.join(['1'] * 101)}]", "there are more than 100 values"),
        ("(" * 51 + "a = 1" + ")" * 51, "column 51: it is nested deeper than 50 levels"),
        ("not " * 900 + "a", "nested deeper|more than 100 conditions"),
        ("x" * 4001, "has 4001 characters; at most 4000"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(text: str, fault: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_text(text, LIMITS, pointer="/queries/1/filter")

    (found,) = raised.value.faults
    assert found.pointer == "/queries/1/filter"
    assert any(one in found.detail for one in fault.split("|"))


@pytest.mark.parametrize(
    ("value", "pointer", "fault"),
    [
        (5, "/filter", "must be an object with one name"),
        ({}, "/filter", "must be an object with one name"),
        ({"and": [], "or": []}, "/filter", "must be an object with one name"),
        ({"and": []}, "/filter/and", "a list of at least one filter"),
        ({"xor": []}, "/filter/xor", "is no operator"),
        ({"and": [{"exists": "a"}, {"not": 5}]}, "/filter/and/1/not", "must be an object"),
        ({"=": ["a"]}, "/filter/=", "must be a list of a field and what it is compared with"),
        ({"=": ["a", {}]}, "/filter/=/1", "must be a string, a number, true, false or null"),
        ({"<": ["a", None]}, "/filter/</1", "null can only be compared"),
        ({"=": ["a b", 1]}, "/filter/=/0", "column 3: expected the end"),
        ({"in": ["a", 1]}, "/filter/in/1", "a list of at least one value"),
        ({"in": ["a", [1, []]]}, "/filter/in/1/1", "must be a string"),
        ({"in": ["a", [1] * 101]}, "/filter/in/1", "more than 100 values"),
        ({"prefix": ["a", 1]}, "/filter/prefix/1", "must be a string"),
        ({"=": ["a", "\x00"]}, "/filter/=/1", "NUL"),
        ({"=": ["a", 10**400]}, "/filter/=/1", "too large"),
        ({"or": [{"exists": "a"}] * 100}, "/filter/or/99/exists", "more than 100 conditions"),
        ({"exists": []}, "/filter/exists", "must be the name of a field"),
        ({"=": ["a", "x" * 4001]}, "/filter/=/1", "more than 4000 characters"),
        ("a b", "/filter", "column 3"),
    ],
)
def test_what_is_wrong_in_json_is_said_with_its_pointer(
    value: Json, pointer: str, fault: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_json(value, LIMITS)

    (found,) = raised.value.faults
    assert (found.pointer, fault in found.detail) == (pointer, True), found


def test_hostile_nesting_is_refused() -> None:
    tree: Json = {"exists": "a"}
    for _ in range(3000):
        tree = {"not": tree}

    with pytest.raises(InvalidRequest, match="nested deeper than 50 levels"):
        read_json(tree, FilterLimits(characters=4000, nodes=10_000, values=1))


@given(filters)
def test_a_filter_comes_back_from_its_json(tree: Filter) -> None:
    again = read_json(to_json(tree), FilterLimits(characters=10**6, nodes=1000, values=1000))

    assert canonical(again) == canonical(tree)
    assert again == tree


def test_a_number_is_not_a_truth_in_caches() -> None:
    one, true = read_text("a = 1", LIMITS), read_text("a = true", LIMITS)

    assert canonical(one) != canonical(true)


def test_paths_are_names_with_dots_between() -> None:
    assert read_path('a."b.c".d') == ("a", "b.c", "d")
    with pytest.raises(ValueError, match="column 3"):
        read_path("a b")
