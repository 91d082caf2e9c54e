"""The pages do their work without JavaScript, and say what is wrong where it is."""

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.unit.web.installation import Installation


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("pages")
    with Installation.open(folder) as installation:
        yield installation


class Page(HTMLParser):
    """What a page holds, as far as these tests ask."""

    def __init__(self, response: TestResponse) -> None:
        super().__init__()
        assert response.mimetype == "text/html"
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element with one of these names."""
        return [attributes for tag, attributes in self.tags if tag in names]

    def field(self, name: str) -> dict[str, str | None]:
        """Return the attributes of a form field."""
        fields = self.all("input", "textarea", "select")
        return next(field for field in fields if field.get("name") == name)


def send(client: FlaskClient, path: str, action: str | None = None, **data: str) -> TestResponse:
    """Fill a page's form in and send it (to *action*), as a browser would."""
    token = Page(client.get(path)).field("csrf_token")["value"]
    return client.post(action or path, data={**data, "csrf_token": token})


PAGES = (
    "/",
    "/search?q=tea",
    "/compare?q=tea",
    "/add",
    "/jobs",
    "/collections",
    "/collections/c",
    "/operation",
    "/operation/processes",
    "/operation/dead-letters",
    "/operation/keys",
    "/operation/record",
    "/operation/why",
    "/sign-in",
    "/no",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_field_has_a_label_and_every_page_a_title(lamina: Installation, path: str) -> None:
    response = lamina.client().get(path)
    page = Page(response)
    labelled = {attributes.get("for") for attributes in page.all("label")}
    inside = re.findall(r"<label>[^<]*<input[^>]*name=\"(\w+)\"", response.text)
    fields = [
        field for field in page.all("input", "select", "textarea") if field.get("type") != "hidden"
    ]

    assert re.search(r"<title>\s*\S", response.text)
    assert response.text.count("<h1") == 1
    assert all(field.get("id") in labelled or field["name"] in inside for field in fields)
    assert {attributes.get("lang") for attributes in page.all("html")} == {"en"}


def test_an_empty_index_shows_three_ways_to_begin(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as lamina:
        text = lamina.client().get("/").text
        found = lamina.client().get("/search?q=tea").text

    assert "three ways to begin" in text
    assert "/api/v1/collections/c/documents" in text
    assert "lamina.submit.v1" in text
    assert "holds no documents" in found


def test_a_document_goes_in_by_form_and_is_found(lamina: Installation) -> None:
    client = lamina.client()
    added = send(
        client,
        "/add",
        collection="c",
        id=" tea/green ",
        title="Green <tea>",
        text="leaves that are\r\nnot oxidised",
        metadata='{"author": "Lu Yu", "year": 762}',
    )
    waiting = client.get(added.headers["Location"])
    with lamina.services.snapshots._opening:  # no reader loads it meanwhile
        lamina.index_all()
        published = client.get(added.headers["Location"])
    lamina.search("leaves")
    # Whoever loaded it for this search may say so a moment later.
    lamina.services.reading.loaded(lamina.services.collections.get("c").id, 1)
    done = client.get(added.headers["Location"])
    fragment = client.get(added.headers["Location"] + "/progress")
    found = re.sub("</?mark>", "", client.get("/search?q=leaves+not+oxidised").text)
    job = lamina.services.records.jobs(limit=1)[0]

    assert added.status_code == 303
    assert "hx-get" in waiting.text
    assert '<noscript><meta http-equiv="refresh"' in waiting.text
    assert "hx-get" in published.text, "until a reader has loaded it"
    assert "hx-get" not in done.text
    assert "http-equiv" not in done.text
    assert '<section id="job"' in fragment.text
    assert "<html" not in fragment.text
    assert "searchable" in done.text
    assert job.source == "form"
    assert "Green &lt;tea&gt;" in found
    assert "Lu Yu" in found
    assert "tea/green" in found
    assert "leaves that are\nnot oxidised" in found
    assert "version 1" in found
    assert "cosine similarity" in found


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("text", {"text": "  "}, "is not blank"),
        ("metadata", {"text": "x", "metadata": "{oops"}, "not valid JSON"),
        ("metadata", {"text": "x", "metadata": "[1]"}, "Must be an object"),
        ("metadata", {"text": "x", "metadata": '{"a": 1, "a": 2}'}, "twice"),
        ("title", {"text": "x", "title": "t" * 2001}, "characters"),
        ("id", {"text": "x", "id": "i" * 513}, "characters"),
        ("text", {"text": "NUL \x00"}, "NUL"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_typed_is_lost(
    lamina: Installation, field: str, values: dict[str, str], message: str
) -> None:
    before = lamina.services.records.jobs(limit=1)
    refused = send(lamina.client(), "/add", collection="c", **values)
    marked = Page(refused).field(field)

    assert refused.status_code == 422
    assert marked["aria-invalid"] == "true"
    assert marked["aria-describedby"] == f"{field}-error"
    wrong = refused.text.partition(f'id="{field}-error">')[2].partition("<")[0]
    assert message in wrong
    assert all(
        value.strip("\x00 ")[:20].replace('"', "&#34;") in refused.text for value in values.values()
    )
    assert lamina.services.records.jobs(limit=1) == before


def test_a_form_for_a_collection_that_is_gone_says_so(lamina: Installation) -> None:
    refused = send(lamina.client(), "/add", collection="gone", text="x")

    assert refused.status_code == 422
    assert "collection-error" in refused.text


def test_a_collection_is_created_by_form_and_shown(lamina: Installation) -> None:
    client = lamina.client()
    created = send(client, "/collections", name="fresh", metric="l2", mode="none", max_tokens="32")
    page = client.get(created.headers["Location"]).text
    twice = send(client, "/collections", name="fresh")

    assert (created.status_code, created.headers["Location"]) == (303, "/collections/fresh")
    assert "Euclidean distance" in page
    assert "No version yet" in page
    assert twice.status_code == 409
    assert Page(twice).field("name")["aria-invalid"] == "true"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": "Not Good"}),
        ("name", {}),
        ("max_tokens", {"name": "x", "max_tokens": "many"}),
        ("overlap_tokens", {"name": "x", "overlap_tokens": "-1"}),
        ("encoder", {"name": "x", "encoder": "no/such"}),
    ],
)
def test_a_wrong_collection_is_refused_at_the_field(
    lamina: Installation, field: str, values: dict[str, str]
) -> None:
    refused = send(lamina.client(), "/collections", **values)

    assert refused.status_code == 422
    assert Page(refused).field(field)["aria-invalid"] == "true"


def test_a_search_as_of_a_version_is_offered_and_works(lamina: Installation) -> None:
    lamina.new_collection("versions")
    for text in ("old words", "new words"):
        lamina.add({"id": "d", "text": text}, collection="versions")
        lamina.index_all()
    page = lamina.client().get("/collections/versions").text
    then = lamina.client().get("/search?collection=versions&q=anything&version=1").text

    assert "version=1" in page
    assert "old words" in then
    assert "new words" not in then


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("q=x&version=77", 404, "No such version"),
        ("q=x&k=lots", 422, "whole number"),
        ("q=x&k=5000", 422, "k must be"),
        ("q=x&collection=gone", 404, "No such collection"),
    ],
)
def test_a_search_that_cannot_be_done_says_why(
    lamina: Installation, query: str, status: int, message: str
) -> None:
    response = lamina.client().get(f"/search?{query}")

    assert response.status_code == status
    assert message in response.text


def test_what_failed_is_listed_on_the_jobs_page(lamina: Installation) -> None:
    lamina.encoder.refuse("unreadable")
    job = lamina.add({"id": "bad", "text": "unreadable"}, {"text": "word " * 200})
    lamina.index_all()
    page = lamina.client().get(f"/jobs/{job}").text
    listed = lamina.client().get("/jobs").text

    report = lamina.services.records.job(job)

    assert "Errors" in page
    assert report.errors[0].message in unescape(page)
    assert '<span class="id">bad</span>' in page
    assert "1 failed" in listed


def test_what_is_not_there_is_a_page_for_people(lamina: Installation) -> None:
    for path in ("/no", "/jobs/no", "/collections/no"):
        response = lamina.client().get(path)
        assert (response.status_code, response.mimetype) == (404, "text/html")
        assert "To the search page" in response.text


def test_hostile_texts_are_shown_as_texts(lamina: Installation) -> None:
    lamina.new_collection("hostile")
    script = "<script>alert(1)</script>"
    lamina.add(
        {"id": script, "title": script, "text": script, "metadata": {script: script}},
        collection="hostile",
    )
    lamina.index_all()
    page = Page(lamina.client().get("/search", query_string={"q": script, "collection": "hostile"}))

    assert all((one["src"] or "").startswith("/static/") for one in page.all("script"))
    assert len(page.all("script")) == 3
