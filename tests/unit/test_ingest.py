import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import DocumentLimits, Json, Submission
from shared.errors import InvalidDocument, TooLarge
from shared.ingest import parse_submission

LIMITS = DocumentLimits(
    documents=3,
    id_characters=10,
    title_characters=20,
    text_characters=100,
    metadata_bytes=60,
    metadata_depth=3,
    key_characters=8,
)


def parse(documents: Json, key: str | None = None) -> Submission:
    return parse_submission(documents, LIMITS, collection="c", source="api", key=key)


def faults_of(document: Json) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as caught:
        parse([document])
    return {fault.pointer: fault.detail for fault in caught.value.faults}


def test_a_whole_document_is_taken_as_it_is() -> None:
    raw: Json = {"id": "a", "title": "T", "text": "x", "metadata": {"n": 1}, "external_version": 7}

    document = parse([raw]).documents[0]

    assert (document.id, document.title, document.text) == ("a", "T", "x")
    assert document.metadata == {"n": 1}
    assert document.external_version == 7


def test_a_document_without_an_id_gets_one_of_its_own() -> None:
    first, second = parse([{"text": "x"}, {"text": "x"}]).documents

    assert first.id != second.id


def test_a_number_as_id_is_its_digits() -> None:
    assert parse([{"id": 42, "text": "x"}]).documents[0].id == "42"


@pytest.mark.parametrize(
    ("document", "pointer", "says"),
    [
        ("text", "/documents/0", "must be an object"),
        ({}, "/documents/0", "needs a `text`"),
        ({"text": "  \n"}, "/documents/0", "needs a `text`"),
        ({"text": 5}, "/documents/0/text", "must be a string"),
        ({"text": "x" * 101}, "/documents/0/text", "has 101 characters; at most 100"),
        ({"text": "a\x00b"}, "/documents/0/text", "NUL"),
        ({"text": "a\ud800b"}, "/documents/0/text", "surrogate"),
        ({"text": "x", "id": ""}, "/documents/0/id", "1 to 10 characters"),
        ({"text": "x", "id": "a" * 11}, "/documents/0/id", "1 to 10 characters"),
        ({"text": "x", "id": True}, "/documents/0/id", "must be a string"),
        ({"text": "x", "id": " a"}, "/documents/0/id", "white space"),
        ({"text": "x", "id": "a\nb"}, "/documents/0/id", "control"),
        ({"text": "x", "txet": "y"}, "/documents/0/txet", "is not a field"),
        ({"text": "x", "a/b~": 1}, "/documents/0/a~1b~0", "is not a field"),
        ({"text": "x", "metadata": []}, "/documents/0/metadata", "must be an object"),
        ({"text": "x", "metadata": {"a": float("nan")}}, "/documents/0/metadata", "NaN"),
        ({"text": "x", "metadata": {"a": "\x00"}}, "/documents/0/metadata", "NUL"),
        ({"text": "x", "metadata": {"\x00": 1}}, "/documents/0/metadata", "NUL"),
        ({"text": "x", "metadata": {"a": "y" * 60}}, "/documents/0/metadata", "60 bytes"),
        ({"text": "x", "metadata": {"a": [[[1]]]}}, "/documents/0/metadata", "deeper than 3"),
        ({"text": "x", "external_version": -1}, "/documents/0/external_version", "whole number"),
        ({"text": "x", "external_version": True}, "/documents/0/external_version", "whole number"),
        ({"text": "x", "external_version": 2**63}, "/documents/0/external_version", "whole"),
    ],
)
def test_what_is_wrong_is_named_where_it_is(document: Json, pointer: str, says: str) -> None:
    assert says in faults_of(document)[pointer]


def test_metadata_may_hold_an_escaped_backslash_that_looks_like_nul() -> None:
    document = parse([{"text": "x", "metadata": {"a": "\\u0000"}}]).documents[0]

    assert document.metadata == {"a": "\\u0000"}


def test_hostile_nesting_is_refused_without_exhausting_the_stack() -> None:
    nested: Json = 1
    for _ in range(100_000):
        nested = [nested]

    assert "deeper" in faults_of({"text": "x", "metadata": {"a": nested}})["/documents/0/metadata"]


def test_every_fault_of_every_document_is_reported_at_once() -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse([{"text": 1, "title": 2}, {"text": "fine"}, 3])

    pointers = [fault.pointer for fault in caught.value.faults]
    assert pointers == ["/documents/0/title", "/documents/0/text", "/documents/2"]


@pytest.mark.parametrize("documents", [None, {}, [], "x"])
def test_documents_must_be_a_list_of_at_least_one(documents: Json) -> None:
    with pytest.raises(InvalidDocument, match="at least one"):
        parse(documents)


def test_too_many_documents_are_refused_by_count() -> None:
    with pytest.raises(TooLarge, match="4 documents in one request; at most 3"):
        parse([{"text": "x"}] * 4)


@pytest.mark.parametrize("key", ["", "x" * 9, "a\x00"])
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse([{"text": "x"}], key=key)
    assert caught.value.faults[0].pointer == "/key"


def test_the_same_content_has_the_same_hash_whatever_the_order_of_fields() -> None:
    one = parse([{"id": "a", "text": "x"}], key="k")
    two = parse([{"text": "x", "id": "a"}], key="k")
    other = parse([{"text": "y", "id": "a"}], key="k")

    assert one.content_sha256 == two.content_sha256 != other.content_sha256


def test_a_repeated_document_without_an_id_hashes_as_it_was_sent() -> None:
    assert parse([{"text": "x"}]).content_sha256 == parse([{"text": "x"}]).content_sha256


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "title", "text", "metadata", "external_version", "other"]),
        json_values,
    )
)
def test_any_json_is_either_taken_or_refused_with_a_place(document: dict[str, Json]) -> None:
    try:
        taken = parse([document]).documents[0]
    except InvalidDocument as error:
        assert error.faults
        assert all(fault.pointer.startswith("/documents/0") for fault in error.faults)
    else:
        assert taken.id
        (taken.title + taken.text).encode()
