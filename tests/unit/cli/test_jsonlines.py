"""Documents from JSON Lines: what is taken, and what a bad line's error says."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cli import jsonlines
from shared.cli.jsonlines import BadLine, Extra, Line
from shared.cli.terminal import Exit, Failure


def parse(line: str | bytes, extra: Extra = Extra.REFUSE) -> dict[str, object]:
    return jsonlines.parse(line if isinstance(line, bytes) else line.encode(), extra)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '{"id": "a", "title": "T", "text": "x", "metadata": {"n": 1}}',
            {"id": "a", "title": "T", "text": "x", "metadata": {"n": 1}},
        ),
        ('{"_id": "b", "text": "x"}', {"id": "b", "title": "", "text": "x", "metadata": {}}),
        ('{"_id": 7, "id": null, "text": "x", "title": null}', {"id": "7", "title": ""}),
        ('\ufeff{"id": "c", "text": "x"}', {"id": "c"}),
        ('{"id": "d", "text": "x", "external_version": 3}', {"external_version": 3}),
    ],
)
def test_a_line_becomes_a_document(line: str, expected: dict[str, object]) -> None:
    assert expected.items() <= parse(line).items()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "a document is a JSON object, this is a list"),
        ("nonsense", "Expecting value"),
        ('{"id": "a", "text": NaN}', "NaN is not JSON"),
        ('{"id": "a"}', "neither `text` nor `title`"),
        ('{"id": "a", "text": 5}', "`text` must be a string, this is a number"),
        ('{"id": true, "text": "x"}', "`id` must be a string, this is a boolean"),
        ('{"id": "", "text": "x"}', "`id` must be a string, this is an empty string"),
        ('{"id": "a", "_id": "b", "text": "x"}', "`id` and `_id` differ"),
        ('{"id": "a", "text": "x", "metadata": [1]}', "`metadata` must be an object"),
        ('{"id": "a", "txet": "x", "text": "y"}', "unknown `txet`"),
        (b'{"id": "a", "text": "\xff"}', "utf-8"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse(line)


def test_unknown_fields_can_be_kept_or_dropped() -> None:
    line = '{"id": "a", "text": "x", "url": "u", "metadata": {"n": 1}}'

    assert parse(line, Extra.METADATA)["metadata"] == {"n": 1, "url": "u"}
    assert parse(line, Extra.IGNORE)["metadata"] == {"n": 1}


@given(st.text(min_size=1), st.text(), st.dictionaries(st.text(), st.integers()))
def test_the_same_content_without_an_id_gets_the_same_id(
    text: str, title: str, metadata: dict[str, int]
) -> None:
    one = {"text": text, "title": title, "metadata": metadata}
    other = {"metadata": metadata, "title": title, "text": text}
    encoded = [json.dumps(document).encode() for document in (one, other)]

    assert jsonlines.parse(encoded[0])["id"] == jsonlines.parse(encoded[1])["id"]
    assert jsonlines.parse(encoded[0])["id"] != parse('{"text": "something else entirely"}')["id"]


@pytest.mark.parametrize("packed", [False, True])
def test_errors_name_file_and_line_and_blank_lines_count(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001
    path = tmp_path / ("docs.jsonl.gz" if packed else "docs.jsonl")
    lines = b'{"id": "a", "text": "x"}\n\n{"id": "b"}\n{"id": "c", "text": "\\ud800"}\n' + (
        b"[" * 100_000 + b"\n"
    )
    path.write_bytes(gzip.compress(lines) if packed else lines)

    first, *bad = jsonlines.read(path, Extra.REFUSE)

    assert isinstance(first, Line)
    assert json.loads(first.encoded)["id"] == "a"
    assert first.where == f"{path}:1"
    assert [one.where for one in bad] == [f"{path}:{number}" for number in (3, 4, 5)]
    assert all(isinstance(one, BadLine) and one.code is Exit.USAGE for one in bad)
    assert "surrogate" in str(bad[1])
    assert "nested too deeply" in str(bad[2])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"none\.jsonl: .*No such file") as caught:
        list(jsonlines.read(tmp_path / "none.jsonl", Extra.REFUSE))

    assert caught.value.code is Exit.USAGE


def test_a_cut_off_gzip_file_says_how_far_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    lines = b"".join(b'{"id": "%d", "text": "some text %d"}\n' % (n, n * n) for n in range(5000))
    path.write_bytes(gzip.compress(lines)[:-2000])

    with pytest.raises(Failure, match=r"cut\.jsonl\.gz after line \d+"):
        list(jsonlines.read(path, Extra.REFUSE))
