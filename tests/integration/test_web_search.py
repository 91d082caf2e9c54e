"""Searching over HTTP: filters, pages, several questions, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from shared.domain import Json
from tests.unit.web.installation import Installation, body_of, problem_of

SEARCH = "/api/v1/collections/c/search"


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("search")
    with Installation.open(folder) as installation:
        documents: list[Json] = [
            {
                "id": f"d{number}",
                "title": f"Number {number}",
                "text": f"moss and stone {number}",
                "metadata": {"number": number, "by": [{"name": "Mc", "age": number}, {}]},
            }
            for number in range(12)
        ]
        installation.add(*documents)
        installation.index_all()
        yield installation


@pytest.fixture
def client(lamina: Installation) -> FlaskClient:
    return lamina.client()


def get(client: FlaskClient, **asked: Any) -> dict[str, Any]:
    return body_of(client.get(SEARCH, query_string={"q": "moss", "min_version": 1, **asked}))


def post(client: FlaskClient, body: Any) -> dict[str, Any]:
    return body_of(client.post(SEARCH, json=body))


def ids(found: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in found["hits"]]


def test_a_filter_is_taken_as_words_and_as_a_tree(client: FlaskClient) -> None:
    words = 'number >= 3 and number < 6 and by.name prefix "M"'
    tree = {
        "and": [
            {">=": ["number", 3]},
            {"<": ["number", 6]},
            {"prefix": [["by", "name"], "M"]},
        ]
    }

    assert sorted(ids(get(client, filter=words))) == ["d3", "d4", "d5"]
    assert ids(post(client, {"q": "moss", "filter": tree})) == ids(get(client, filter=words))
    assert ids(post(client, {"q": "moss", "filter": words})) == ids(get(client, filter=words))


def test_an_answer_keeps_all_its_fields(client: FlaskClient) -> None:
    found = get(client, k=1)

    assert found.keys() == {
        "collection", "version", "published_at", "waiting", "metric", "score", "took_ms",
        "hits", "warnings", "cursor",
    }  # fmt: skip
    assert found["hits"][0].keys() == {
        "id", "score", "title", "passage", "start", "end", "metadata",
    }  # fmt: skip


def test_only_the_fields_that_are_named_are_shown(client: FlaskClient) -> None:
    found = get(client, fields="id, metadata.by.age", filter="number = 3")
    listed = post(
        client,
        {"q": "x", "fields": ["vector", "passages"], "vectors": True, "passages": 2, "k": 1},
    )

    assert found["hits"] == [{"id": "d3", "metadata": {"by": [{"age": 3}]}}]
    assert listed["hits"][0].keys() == {"vector", "passages"}
    assert len(listed["hits"][0]["vector"]) == 32
    assert listed["hits"][0]["passages"][0].keys() == {
        "score", "passage", "start", "end", "vector",
    }  # fmt: skip


def test_pages_end_with_a_cursor_of_null(client: FlaskClient) -> None:
    seen, cursor = [], None
    for _ in range(4):
        found = get(client, k=5) if cursor is None else get(client, k=5, cursor=cursor)
        seen += ids(found)
        cursor = found["cursor"]
        if cursor is None:
            break

    assert sorted(seen) == sorted(f"d{number}" for number in range(12))
    assert cursor is None


def test_several_questions_have_their_results_in_order(
    lamina: Installation, client: FlaskClient
) -> None:
    body = {"queries": [{"q": "moss", "k": 2}, {"like": "d1", "k": 1}], "version": "newest"}
    found = post(client, body)
    document = body_of(client.get("/openapi/openapi.json"))
    described = document["paths"]["/api/v1/collections/{name}/search"]["post"]["responses"]["200"]
    schema = described["content"]["application/json"]["schema"]

    assert [len(one["hits"]) for one in found["results"]] == [2, 1]
    assert found["version"] == 1
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole).validate(found)
    Draft202012Validator(whole).validate(get(client, k=1, fields="id"))


@pytest.mark.parametrize(
    ("asked", "pointer", "detail"),
    [
        ({"q": "x", "filter": "number >"}, "/filter", "column 9: expected a value"),
        ({"q": "x", "filter": {"=": ["a b", 1]}}, "/filter/=/0", "column 3"),
        ({"q": "x", "fields": "id,nothing"}, "/fields", "'nothing' is no field of a hit"),
        ({"q": "x", "fields": ["metadata."]}, "/fields", "expected the name of a field"),
        ({"q": "x", "cursor": "x"}, "/cursor", "is not a cursor"),
        ({"q": "x", "vector": [1.0]}, "/q", "one of `q`, `vector` and `like`"),
        ({"k": 5}, "/q", "one of `q`, `vector` and `like`"),
        ({"vector": [1.0]}, "/vector", "has 1 values; the collection's vectors have 32"),
        ({"q": "x", "k": 1001}, "/k", "must be 1 to 1000"),
        ({"q": "x", "passages": 0}, "/passages", "must be at least 1"),
        ({"queries": [], "q": "x"}, "/q", "cannot go with `queries`"),
        ({"queries": [{"q": "x"}, {"q": "x", "filter": "a"}]}, "/queries/1/filter", "column 2"),
        ({"queries": [{"q": "x", "version": 1}]}, "/queries/0/version", "not known here"),
        ({"queries": [{"q": ""}, {"like": ""}]}, "/queries/0/q", "is blank"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    client: FlaskClient, asked: dict[str, Any], pointer: str, detail: str
) -> None:
    problem = problem_of(client.post(SEARCH, json=asked), 422, "invalid-request")

    assert problem["errors"][0]["pointer"] == pointer
    assert detail in problem["errors"][0]["detail"]


def test_a_document_that_is_not_there_cannot_be_resembled(client: FlaskClient) -> None:
    problem_of(client.get(SEARCH, query_string={"like": "none"}), 404, "document-not-found")
