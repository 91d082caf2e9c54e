"""Whatever is wrong with a request, the answer is a precise problem and nothing was changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.errors import (
    CatalogUnavailable,
    CommitUnknown,
    CorruptFile,
    LaminaError,
    VersionExpired,
)
from tests.unit.web.installation import Installation, problem_of

DOCUMENTS = "/api/v1/collections/c/documents"
SEARCH = "/api/v1/collections/c/search"


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("errors")
    with Installation.open(folder) as installation:
        yield installation


@pytest.fixture
def client(lamina: Installation) -> Iterator[FlaskClient]:
    """A client; whatever a test sends with it must leave nothing behind."""
    yield lamina.client()
    assert not lamina.services.records.jobs(limit=1)


JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "The body is empty"),
        (b'{"documents": [', "not valid JSON: Expecting value: line 1 column 16"),
        (b'{"documents": [], "documents": [{"text": "x"}]}', "'documents' occurs twice"),
        (b'{"documents": [{"text": "x", "metadata": {"a": NaN}}]}', "NaN is not JSON"),
        (b'{"documents": ' + b"[" * 100_000, "The body is nested too deeply."),
        (b"\xff\xfe{", "not UTF-8, as JSON is: byte 1 "),
        (b'{"n": ' + b"9" * 5000 + b"}", "a whole number has more than 4,300 digits"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_reason(
    client: FlaskClient, body: bytes, words: str
) -> None:
    response = client.post(DOCUMENTS, data=body, content_type=JSON)
    assert words in problem_of(response, 400, "bad-request")["detail"]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "slug"),
    [
        (b'{"documents": [{"text": "x"}]}', "text/plain", 415, "unsupported-media-type"),
        (b"text=x", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b"[1]", JSON, 422, "invalid-request"),
        (rb'"{\"documents\": [{\"text\": \"x\"}]}"', JSON, 422, "invalid-request"),
        (b"null", JSON, 422, "invalid-request"),
        (b"{}", JSON, 422, "invalid-request"),
        (b'{"documents": [{"text": "x"}], "lane": "bulk"}', JSON, 422, "invalid-request"),
        (b'{"documents": {}}', JSON, 422, "invalid-document"),
        (b'{"documents": []}', JSON, 422, "invalid-document"),
        (b'{"documents": ["x"]}', JSON, 422, "invalid-document"),
        (b'{"documents": [' + b'{"text": "x"},' * 20 + b'{"text": "x"}]}', JSON, 413, "too-large"),
        (
            b'{"documents": [{"text": "' + b"x" * 6_000_000 + b'"}]}',
            JSON,
            413,
            "request-entity-too-large",
        ),
    ],
)
def test_a_body_that_is_not_documents_is_refused(
    client: FlaskClient, body: bytes, media_type: str, status: int, slug: str
) -> None:
    problem_of(client.post(DOCUMENTS, data=body, content_type=media_type), status, slug)


def test_a_compressed_body_is_refused_by_name(client: FlaskClient) -> None:
    response = client.post(
        DOCUMENTS, data=b"\x1f\x8b", content_type=JSON, headers={"Content-Encoding": "gzip"}
    )

    assert "Content-Encoding" in problem_of(response, 415, "unsupported-media-type")["detail"]


def test_every_fault_of_a_document_has_its_pointer(client: FlaskClient) -> None:
    response = client.post(
        DOCUMENTS,
        json={
            "documents": [
                {"text": "fine"},
                {"id": "", "text": 1, "metadata": [], "external_version": -1, "tittle": "x"},
                {"text": "NUL \x00"},
                {"text": " "},
            ]
        },
    )
    problem = problem_of(response, 422, "invalid-document")

    assert {one["pointer"] for one in problem["errors"]} == {
        "/documents/1/id",
        "/documents/1/text",
        "/documents/1/metadata",
        "/documents/1/external_version",
        "/documents/1/tittle",
        "/documents/2/text",
        "/documents/3",
    }
    assert all(one["detail"] for one in problem["errors"])


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_of_the_wrong_length_is_refused(client: FlaskClient, key: str) -> None:
    headers = {"Idempotency-Key": key}
    posted = client.post(DOCUMENTS, json={"documents": [{"text": "x"}]}, headers=headers)
    deleted = client.delete(f"{DOCUMENTS}/x", headers=headers)

    assert problem_of(posted, 422, "invalid-document")["errors"][0]["pointer"] == "/key"
    assert problem_of(deleted, 422, "invalid-request")["errors"][0]["pointer"] == "/key"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("k=3", "/q"),
        ("q=x&k=many", "/k"),
        ("q=x&k=0", "/k"),
        ("q=x&version=-1", "/version"),
        ("q=x&version=99999999999999999999", "/version"),
        ("q=x&min_version=1.5", "/min_version"),
        ("q=x&verison=1", "/verison"),
        ("q=x%00y", "/q"),
    ],
)
def test_a_wrong_query_parameter_is_named(client: FlaskClient, query: str, pointer: str) -> None:
    problem = problem_of(client.get(f"{SEARCH}?{query}"), 422, "invalid-request")

    assert [one["pointer"] for one in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        {"q": ""},
        {"q": "  "},
        {"q": 1},
        {"q": "x", "k": "10"},
        {"q": "x", "k": True},
        {"q": "x", "k": 1001},
        {"q": "x" * 8001},
        {"q": "x", "version": 0, "min_version": 0},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(
    client: FlaskClient, body: dict[str, object]
) -> None:
    problem_of(client.post(SEARCH, json=body), 422, "invalid-request")


def test_half_a_surrogate_pair_is_refused_wherever_it_stands(client: FlaskClient) -> None:
    half = rb'"half \ud800"'
    search = client.post(SEARCH, data=b'{"q": ' + half + b"}", content_type=JSON)
    text = client.post(
        DOCUMENTS, data=b'{"documents": [{"text": ' + half + b"}]}", content_type=JSON
    )
    name = client.post(DOCUMENTS, data=b'{"documents": [{' + half + b": 1}]}", content_type=JSON)

    problem_of(search, 422, "invalid-request")
    problem_of(text, 422, "invalid-document")
    assert "\ud800" in problem_of(name, 422, "invalid-document")["errors"][0]["pointer"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "Upper"},
        {"name": "a/b"},
        {"name": "../x"},
        {"name": "x" * 64},
        {"name": "x\n"},
        {"name": "x", "metric": "taxi"},
        {"name": "x", "chunking": {"mode": "lines"}},
        {"name": "x", "chunking": {"max_tokens": 1}},
        {"name": "x", "chunking": {"max_tokens": 1_000_000}},
        {"name": "x", "chunking": {"overlap_tokens": 1000}},
        {"name": "x", "chunking": {"overlap": 1}},
    ],
)
def test_a_collection_that_cannot_be_is_refused(
    client: FlaskClient, body: dict[str, object]
) -> None:
    problem_of(client.post("/api/v1/collections", json=body), 422, "invalid-request")
    assert client.get("/api/v1/collections/x").status_code == 404


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/api/v1/collections/no", "collection-not-found"),
        ("/api/v1/collections/no/versions", "collection-not-found"),
        ("/api/v1/collections/no/search?q=x", "collection-not-found"),
        ("/api/v1/collections/no/documents/x", "collection-not-found"),
        ("/api/v1/collections/c/documents/no", "document-not-found"),
        ("/api/v1/collections/c/search?q=x&version=7", "version-not-found"),
        ("/api/v1/collections/c/search?q=x&after=no", "job-not-found"),
        ("/api/v1/jobs/no", "job-not-found"),
        ("/api/v1/receipts/no", "receipt-not-found"),
        ("/api/v1/no", "not-found"),
        ("/api/v1/collections/c/documents/", "not-found"),
    ],
)
def test_what_is_not_there_is_404_by_its_kind(client: FlaskClient, path: str, slug: str) -> None:
    problem_of(client.get(path), 404, slug)


def test_documents_for_an_unknown_collection_are_refused(client: FlaskClient) -> None:
    response = client.post("/api/v1/collections/no/documents", json={"documents": [{"text": "x"}]})

    problem_of(response, 404, "collection-not-found")


def test_the_wrong_method_says_which_are_right(client: FlaskClient) -> None:
    response = client.put("/api/v1/collections", json={})

    problem_of(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_whoever_asks_for_json_is_told_in_json_and_people_get_a_page(client: FlaskClient) -> None:
    asked = client.get("/nowhere", headers={"Accept": "application/json"})
    browser = client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})

    assert problem_of(asked, 404, "not-found")["detail"] == "Nothing is at this address."
    assert browser.mimetype == client.get("/nowhere").mimetype == "text/html"
    assert "Nothing is at this address." in browser.text


def test_what_is_wrong_with_a_value_is_said_in_plain_words(client: FlaskClient) -> None:
    def told(query: str) -> str:
        response = client.get(f"/api/v1/collections/c/search?{query}")
        return str(problem_of(response, 422, "invalid-request")["detail"])

    assert told("q=x&k=0") == "/k: must be at least 1."
    assert told("q=x&k=many") == "/k: must be a whole number."
    assert told("q=x&exact=perhaps") == "/exact: must be true or false."
    assert told("q=x&colour=red") == "/colour: is not known here."
    assert (
        "must be a time with its zone"
        in problem_of(client.get("/api/v1/jobs?since=1795421298"), 422, "invalid-request")["detail"]
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"keep_originals": 0}, "/keep_originals: must be true or false."),
        ({"keep_originals": "true"}, "/keep_originals: must be true or false."),
        ({"retention": {"versions": True}}, "/retention/versions: must be a whole number."),
        ({"retention": {"days": "3"}}, "/retention/days: must be a number."),
    ],
)
def test_a_value_in_a_body_is_not_taken_for_one_of_another_kind(
    client: FlaskClient, body: dict[str, Any], told: str
) -> None:
    response = client.patch("/api/v1/collections/c", json=body)

    assert problem_of(response, 422, "invalid-request")["detail"] == told


def test_a_nul_in_an_address_never_reaches_a_database(client: FlaskClient) -> None:
    problem_of(client.get(f"{DOCUMENTS}/a%00b"), 400, "bad-request")


def test_the_document_of_the_api_is_json_and_its_errors_are_too(client: FlaskClient) -> None:
    problem_of(client.get("/openapi/no.json"), 404, "not-found")


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (CatalogUnavailable(), 503, "catalog-unavailable"),
        (CommitUnknown(), 503, "commit-unknown"),
        (VersionExpired(), 410, "version-expired"),
        (CorruptFile(), 500, "corrupt-file"),
    ],
)
def test_a_fault_behind_a_view_becomes_a_problem(
    tmp_path: Path, error: LaminaError, status: int, slug: str
) -> None:
    with Installation.open(tmp_path) as lamina:

        def fail() -> str:
            raise error

        lamina.app.add_url_rule("/api/v1/fails", view_func=fail)
        lamina.app.add_url_rule("/fails", view_func=fail, endpoint="page")
        response = lamina.client().get("/api/v1/fails")
        page = lamina.client().get("/fails")

    problem_of(response, status, slug)
    assert ("Retry-After" in response.headers) == (status == 503)
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert error.title in page.text


def test_a_bug_is_a_500_that_tells_no_secrets(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as lamina:

        def fail() -> str:
            raise RuntimeError("the password is swordfish")

        lamina.app.add_url_rule("/api/v1/bug", view_func=fail)
        lamina.app.testing = False
        response = lamina.client().get("/api/v1/bug")

    problem_of(response, 500, "internal-server-error")
    assert "swordfish" not in response.text


def test_every_problem_has_a_page_that_explains_it(client: FlaskClient) -> None:
    page = client.get("/problems/version-expired")

    assert page.status_code == 200
    assert "retention rule" in page.text
    assert client.get("/problems/no-such-problem").status_code == 404
