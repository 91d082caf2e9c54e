import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import Json
from web import strictjson

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_can_write_is_read_back_the_same(value: Json) -> None:
    assert strictjson.loads(json.dumps(value)) == value
    assert strictjson.loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        (b'[{"x": {"y": 1, "y": 1}}]', "'y' occurs twice"),
        (b'{"a": NaN}', "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[" * 200_000, "nested"),
        ('"ä"'.encode("latin-1"), "decode"),
        (b"{'a': 1}", "double quotes"),
        (b"1 2", "Extra data"),
        (b"", "Expecting value"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_the_reason(raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        strictjson.loads(raw)


def test_a_byte_order_mark_is_forgiven() -> None:
    assert strictjson.loads(b'\xef\xbb\xbf{"a": "\xc3\xa4"}') == {"a": "ä"}
