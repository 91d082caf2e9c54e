"""Searching and comparing with the pages: every field and refusal, and addresses that say all."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.domain import Json
from tests.integration.test_web_pages import Page
from tests.unit.web.installation import Installation, body_of, problem_of

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("searching")
    with Installation.open(folder) as installation:
        fruits = ("apple", "apricot", "banana", "cherry", "grape", "lemon", "mango", "olive")
        documents: list[Json] = [
            {"id": name, "title": name.title(), "text": f"{name} fruit", "metadata": {"n": n}}
            for n, name in enumerate(fruits)
        ]
        installation.add(*documents)
        installation.index_all()
        installation.client().put("/api/v1/collections/c/tags/before-the-fall", json={"version": 1})
        installation.add({"id": "apple", "title": "Apple", "text": "nothing of the kind"})
        installation.index_all()
        installation.search("fruit")
        yield installation


def hits(page: str) -> list[str]:
    return re.findall(r'class="id" title="Document id">([^<]*)<', page)


def told(page: str, field: str) -> str:
    """Return what is said at a field."""
    return unescape(page.partition(f'id="{field}-error"')[2].partition(">")[2].partition("<")[0])


def test_every_option_narrows_and_the_address_says_all_of_it(lamina: Installation) -> None:
    address = {"q": "banana fruit", "filter": "n >= 2 and n < 6", "k": "3", "min_score": "0.2"}
    page = lamina.client().get("/search", query_string=address).text
    best = hits(page)[0]
    links = [unescape(one) for one in re.findall(r'href="(/search\?[^"]*)"', page)]
    exact = next(parse_qs(urlsplit(one).query) for one in links if "version=2" in one)
    again = lamina.client().get("/search", query_string={k: v[0] for k, v in exact.items()}).text

    assert best == "banana"
    assert set(hits(page)) <= {"banana", "cherry", "grape", "lemon"}
    assert len(hits(page)) <= 3
    assert "<mark>banana</mark> <mark>fruit</mark>" in page
    assert hits(again) == hits(page)
    assert 'value="n &gt;= 2 and n &lt; 6"' in page
    assert '<details class="more" open>' in page


def test_a_search_as_of_a_tag_shows_what_was(lamina: Installation) -> None:
    now = lamina.client().get("/search?q=apple+fruit&filter=n+%3D+0").text
    then = lamina.client().get("/search?q=apple+fruit&version=before-the-fall").text

    assert hits(now) == []
    assert "None matches the filter" in now
    assert hits(then)[0] == "apple"
    assert "version 1," in then
    assert '<option value="before-the-fall">' in then


def test_an_alias_is_searched_and_its_collection_is_the_one_chosen(lamina: Installation) -> None:
    name = lamina.new_collection("z-another")
    lamina.client().put("/api/v1/aliases", json={"aliases": {"fruits": "c"}})
    page = lamina.client().get("/search?q=mango&collection=fruits").text

    assert hits(page)[0] == "mango"
    assert '<option value="c" selected>' in page
    assert f'<option value="{name}">' in page


def test_pages_go_on_where_the_one_before_ended(lamina: Installation) -> None:
    seen: list[str] = []
    address = "/search?q=fruit&k=3"
    pages = 0
    while address:
        page = lamina.client().get(address).text
        seen += hits(page)
        pages += 1
        found = re.search(r'href="(/search\?[^"]*cursor=[^"]*)"', page)
        address = unescape(found[1]) if found else ""
        assert pages == 1 or f'<ol class="hits" start="{3 * (pages - 1) + 1}">' in page

    assert pages == 3
    assert sorted(seen) == sorted(
        ["apple", "apricot", "banana", "cherry", "grape", "lemon", "mango", "olive"]
    )


def test_more_like_this_leaves_the_document_itself_out(lamina: Installation) -> None:
    page = lamina.client().get("/search?q=lemon&version=1").text
    like = unescape(next(one for one in re.findall(r'class="like" href="([^"]*)"', page)))
    found = lamina.client().get(like)
    words = lamina.client().get(like + "&q=grape").text

    assert parse_qs(urlsplit(like).query)["like"] == ["lemon"]
    assert found.status_code == 200
    assert "lemon" not in hits(found.text)
    assert len(hits(found.text)) == 7
    assert hits(words)[0] == "grape", "words take its place"
    assert lamina.client().get("/search?like=nothing").status_code == 404


@pytest.mark.parametrize(
    ("query", "status", "field", "message"),
    [
        ("q=x&filter=n+%3E", 422, "filter", "column 4"),
        ("q=x&k=lots", 422, "k", "must be a whole number"),
        ("q=x&k=0", 422, "k", "must be 1 to 1000"),
        ("q=x&min_score=much", 422, "min_score", "must be a number"),
        ("q=x&version=77", 404, "version", "No such version"),
        ("q=x&version=nothing", 404, "version", "No such tag"),
        ("q=x&collection=gone", 404, "collection", "No such collection"),
        ("q=" + "x" * 9000, 422, "q", "at most 8000"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    lamina: Installation, query: str, status: int, field: str, message: str
) -> None:
    whole = lamina.client().get(f"/search?{query}")
    part = lamina.client().get(f"/search?{query}", headers=PARTIAL)

    assert (whole.status_code, part.status_code) == (status, status)
    assert message in told(whole.text, field)
    assert message in told(part.text, field)
    assert f'id="{field}-error" hx-swap-oob="innerHTML"' in part.text
    if field != "collection":
        assert Page(whole).field(field)["aria-invalid"] == "true"


def test_while_somebody_types_only_the_answer_is_sent_with_its_address(
    lamina: Installation,
) -> None:
    client = lamina.client()
    part = client.get("/search?q=grape&k=10&version=&collection=c", headers=PARTIAL)
    none = client.get("/search?q=&collection=c", headers=PARTIAL)
    back = client.get("/search?q=grape", headers={"HX-Request": "true", "HX-Request-Type": "full"})

    assert "<html" not in part.text
    assert hits(part.text)[0] == "grape"
    assert part.headers["HX-Replace-Url"] == "/search?q=grape&collection=c"
    assert "What is in the index" in none.text
    assert "<html" in back.text


def test_two_versions_and_two_queries_stand_side_by_side(lamina: Installation) -> None:
    client = lamina.client()
    asked = {"q": "lemon fruit", "q_after": "mango fruit", "before": "newest", "k": 1}
    told = body_of(client.post("/api/v1/collections/c/compare", json=asked))
    wrong = client.post("/api/v1/collections/c/compare", json=asked | {"q_after": " "})
    versions = client.get("/compare?q=apple+fruit&before=1&k=3").text
    queries = client.get("/compare?q=lemon+fruit&q_after=mango+fruit&k=2").text
    same = client.get("/compare?q=lemon&k=8").text
    left, right = queries.split('id="side-after"')

    assert [one["id"] for one in told["hits_before"] + told["hits_after"]] == ["lemon", "mango"]
    assert (told["q"], told["q_after"]) == ("lemon fruit", "mango fruit")
    (error,) = problem_of(wrong, 422, "invalid-request")["errors"]
    assert error["pointer"] == "/q_after"
    assert "only in the first" in versions
    assert ">gone</span>" in versions
    assert ">new</span>" in versions
    assert left.index("lemon") < left.index("mango") if "mango" in left else True
    assert "Mango" in right[: right.index("</li>")]
    assert "Both answers are the same, in the same order." in same


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("q=x&before=77", 404, "No such version"),
        ("q=x&after=nothing", 404, "No such tag"),
        ("q=x&k=0", 422, "Must be 1 to 1000"),
        ("q=x&k=many", 422, "Must be a whole number"),
        ("q=x&q_after=" + "y" * 9000, 422, 'id="q_after-error">Has 9000 characters'),
        ("q=x&collection=gone", 404, "No such collection"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_why(
    lamina: Installation, query: str, status: int, message: str
) -> None:
    response = lamina.client().get(f"/compare?{query}")

    assert response.status_code == status
    assert message in response.text


def test_documents_without_a_title_are_called_by_their_first_words(lamina: Installation) -> None:
    lamina.new_collection("untitled")
    opening = f"Whales <sing> in cold seas, and {'hear each other far away; ' * 9}"
    lamina.add({"id": "0f3a", "text": opening}, collection="untitled")
    lamina.add({"id": "b1", "title": "Tea", "text": "leaves"}, collection="untitled")
    lamina.index_all()
    lamina.add({"id": "0f3a", "text": opening}, collection="untitled")  # unchanged: keeps no text
    lamina.search("whales", collection="untitled")
    client = lamina.client()

    words = "Whales &lt;sing&gt; in cold seas, and hear each other far away; hear each other far…"
    link = f'documents/0f3a">{words}</a>'
    found = client.get("/search", query_string={"q": "whales", "collection": "untitled"}).text
    assert link in found
    assert "0f3a" in hits(found)
    compared = client.get("/compare", query_string={"q": "whales", "collection": "untitled"}).text
    assert f'<strong dir="auto">{words}</strong>' in compared
    for version in ("", "1"):
        listed = client.get(f"/collections/untitled/documents?version={version}").text
        assert f'{words}</a><span class="id" dir="auto">0f3a</span>' in listed
    assert 'dir="auto">Tea</a><span class="id" dir="auto">b1</span>' in listed
    alike = client.get("/search", query_string={"like": "0f3a", "collection": "untitled"}).text
    assert f'Like “<span dir="auto">{words}</span>”: 1 document found' in alike
    shown = client.get("/collections/untitled/documents/0f3a").text
    assert f'<h2 id="title" dir="auto">{words}</h2>' in shown
