"""What a user is promised, seen from outside: plain HTTP against a whole running Lamina."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.client import PATIENCE_SECONDS, Client, body
from tests.e2e.conftest import LIBRARY
from tests.e2e.texts import DOCUMENTS
from tests.running import RunningLamina

EDITIONS = 15

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.parametrize(
        "lamina",
        [
            pytest.param(None, id="embedded"),  # the one that the other tests of this folder use
            pytest.param("postgresql-redis", marks=pytest.mark.slow),
            pytest.param("postgresql-rabbitmq", marks=pytest.mark.slow),
        ],
        indirect=True,
        scope="package",
    ),
]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("warming a home with electricity instead of gas", "heat-pumps"),
        ("desert plants that store water", "cactus"),
        ("insects that migrate to another country", "monarchs"),
        ("how navigators determined their position at sea", "longitude"),
        ("immunity after an injection", "vaccines"),
        ("pickling vegetables", "fermentation"),
    ],
)
def test_a_search_in_other_words_finds_what_is_meant(
    client: Client, words: str, wanted: str
) -> None:
    answer = client.search(LIBRARY, words)
    best = answer["hits"][0]
    scores = [hit["score"] for hit in answer["hits"]]

    assert best["id"] == wanted
    assert len(scores) == 10
    assert scores == sorted(scores, reverse=True)
    assert answer["score"] == "cosine similarity, -1 to 1, higher is closer"
    assert answer["waiting"] == 0
    original = next(one for one in DOCUMENTS if one["id"] == wanted)
    assert {name: best[name] for name in ("title", "metadata")} == {
        name: original[name] for name in ("title", "metadata")
    }
    assert best["passage"] == original["text"][best["start"] : best["end"]]


def ids(answer: dict[str, Any]) -> list[str]:
    """Return the ids of what was found, best first."""
    return [hit["id"] for hit in answer["hits"]]


def test_who_names_its_job_reads_its_own_writes(client: Client) -> None:
    name = client.create("own-writes")
    for number in range(5):
        job = client.submit(name, {"id": f"d{number}", "text": f"note number {number}"})
        answer = client.search(name, f"note number {number}", after=job)

        assert answer["after"] == {"job": job, "done": True}
        assert f"d{number}" in ids(answer)
        assert answer["version"] >= client.get(f"/jobs/{job}")["version"]


def test_a_document_becomes_searchable_without_anybody_asking_for_it(client: Client) -> None:
    """How soon is `./run bench burst`'s to say: a busy machine is no fault of the product."""
    name = client.create("freshness")
    client.search(name, "warm up")
    for number in range(5):
        began = time.monotonic()
        client.submit(name, {"id": f"d{number}", "text": f"fresh fish of day {number}"})
        while f"d{number}" not in ids(client.search(name, f"fish of day {number}", k=50)):
            assert time.monotonic() - began < PATIENCE_SECONDS


def test_every_stage_of_a_document_is_stamped_in_order(client: Client) -> None:
    job = client.submit("default", {"id": "stamped", "text": "a stamp for every stage"})
    client.search("default", "stamps", after=job)
    names = ["accepted_at", "claimed_at", "encoded_at", "published_at", "first_loaded_at"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    # The last stamp is written after the version is served, so a search may be faster.
    while None in (times := [client.get(f"/jobs/{job}")["stages"][name] for name in names]):
        assert time.monotonic() < deadline, times
        time.sleep(0.05)

    assert times == sorted(times)


@contextmanager
def searching(lamina: RunningLamina, collection: str) -> Iterator[list[dict[str, Any]]]:
    """Search in a loop while the block runs; gives the list that the answers go to."""
    answers: list[dict[str, Any]] = []
    ended = threading.Event()
    failures: list[Exception] = []

    def search() -> None:
        with Client(lamina.url) as reader:
            while not ended.is_set():
                answers.append(reader.search(collection, "the edition"))

    def run() -> None:
        try:
            search()
        except Exception as failure:  # noqa: BLE001 - raised again below, in the test's thread
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


def test_an_upsert_swaps_old_for_new_in_one_version(lamina: RunningLamina, client: Client) -> None:
    name = client.create("upsert")
    first = client.add(name, {"id": "d", "title": "0", "text": "the edition"})
    client.search(name, "the edition", after=first["id"])  # else readers may be at version 0
    with searching(lamina, name) as answers:
        for edition in range(1, EDITIONS):
            client.add(name, {"id": "d", "title": str(edition), "text": f"the edition {edition}"})
    seen: dict[int, set[int]] = {}
    for answer in answers:
        assert ids(answer) == ["d"], "neither, or both"
        seen.setdefault(answer["version"], set()).add(int(answer["hits"][0]["title"]))
    editions = [titles for _, titles in sorted(seen.items())]
    versions = client.get(f"/collections/{name}/versions")["versions"]

    assert all(len(titles) == 1 for titles in editions), seen
    assert len(editions) > EDITIONS / 3, "the searches were too slow to see anything"
    assert sorted(map(max, editions)) == list(map(max, editions))
    assert [answer["version"] for answer in answers] == sorted(
        answer["version"] for answer in answers
    )
    commits = [one for one in versions if one["kind"] == "commit"]
    assert len(commits) == EDITIONS
    assert {(one["documents"], one["vectors"]) for one in commits} == {(1, 1)}


def test_the_same_content_again_changes_nothing(client: Client) -> None:
    name = client.create("same-content")
    document = {"id": "d", "title": "T", "text": "same as ever", "metadata": {"a": 1}}
    client.add(name, document)
    before = client.get(f"/collections/{name}")

    report = client.add(name, document)

    after = client.get(f"/collections/{name}")
    assert report["counts"]["unchanged"] == 1
    assert report["counts"]["indexed"] == 0
    assert after == before
    assert client.get(f"/collections/{name}/documents/d")["status"] == "unchanged"


def test_a_deleted_document_is_gone_and_an_old_version_still_has_it(client: Client) -> None:
    name = client.create("deleted")
    first = client.add(name, {"id": "d", "text": "soon gone"}, {"id": "e", "text": "stays here"})

    job = client.delete(name, "d")

    now = client.search(name, "soon gone", after=job)
    then = client.search(name, "soon gone", version=first["version"])
    assert ids(now) == ["e"]
    assert ids(then) == ["d", "e"]
    assert client.get(f"/collections/{name}")["documents"] == 1


def test_a_search_at_an_old_version_shows_the_old_text(client: Client) -> None:
    name = client.create("old-text")
    versions = [
        client.add(name, {"id": "d", "title": title, "text": text, "metadata": {"n": number}})
        for number, (title, text) in enumerate(
            [("Old", "the king lives in the castle"), ("New", "the castle is a museum now")]
        )
    ]

    hits = [
        client.search(name, "castle", version=report["version"])["hits"][0] for report in versions
    ]

    assert [(hit["title"], hit["passage"], hit["metadata"]) for hit in hits] == [
        ("Old", "the king lives in the castle", {"n": 0}),
        ("New", "the castle is a museum now", {"n": 1}),
    ]


def test_a_repeated_request_is_answered_again_and_done_once(client: Client) -> None:
    name = client.create("replay")
    path = f"/collections/{name}/documents"
    key = {"Idempotency-Key": "order-4711"}
    documents = {"documents": [{"text": "only once"}]}

    first = client.http.post(path, json=documents, headers=key)
    again = client.http.post(path, json=documents, headers=key)
    other = client.http.post(path, json={"documents": [{"text": "other"}]}, headers=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["job"] == first.json()["job"]
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json()["documents"][0]["id"] == first.json()["documents"][0]["id"]
    assert other.status_code == 409
    assert other.headers["Content-Type"] == "application/problem+json"
    client.finish(first.json()["job"]["id"])
    assert client.get(f"/collections/{name}")["documents"] == 1


def test_one_bad_document_names_its_place_and_the_request_changes_nothing(client: Client) -> None:
    name = client.create("bad-request")
    documents = [{"id": "good", "text": "good"}, {"id": "bad", "text": " "}]

    refused = client.http.post(f"/collections/{name}/documents", json={"documents": documents})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/documents/1")
    assert client.get(f"/collections/{name}")["waiting"] == 0


def test_a_sentence_in_the_middle_of_a_long_document_is_found_at_its_place(client: Client) -> None:
    name = client.create("long")
    needle = "The keeper's daughter learned to tune pianos by listening to the foghorn."
    paragraphs = [
        f"{article['title']} ({number}) \N{THERMOMETER}\ufe0f\N{GRINNING FACE}\n{article['text']}"
        for number in range(4)
        for article in DOCUMENTS
    ]
    paragraphs.insert(len(paragraphs) // 2, needle)
    text = "\n\n".join(paragraphs)
    assert len(text.split()) > 3500

    job = client.submit(name, {"id": "long", "title": "A long one", "text": text})

    query = "a girl who tuned instruments to the sound of a fog signal"
    client.finish(job)
    hits = client.search(name, query, after=job)["hits"]
    assert len(hits) == 1
    start, end = hits[0]["start"], hits[0]["end"]
    assert hits[0]["passage"] == text[start:end]
    assert needle in hits[0]["passage"]
    assert 0.4 < start / len(text) < 0.6
    report = client.get(f"/collections/{name}/documents/long")
    spans = sorted((chunk["start"], chunk["end"]) for chunk in report["chunks"])
    assert report["text"] == text
    assert report["warnings"] == []
    assert (start, end) in spans
    assert all(later[0] <= former[1] + 2 for former, later in pairwise(spans))
    assert (spans[0][0], spans[-1][1]) == (0, len(text))
    assert body(client.http.get(f"/collections/{name}"))["vectors"] == len(spans) > 15
