"""Collections, aliases and events over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.access.making import create_key
from shared.domain import LOCAL, Scope
from shared.upkeep.removing import remove_next
from tests.unit.web.installation import Installation, body_of, problem_of

EVENTS = {"stream_seconds": 0.3, "poll_seconds": 0.01, "streams": 1}
API = "/api/v1"


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, events=EVENTS, retention={"deleted_days": 0}) as installation:
        yield installation


def bound_client(lamina: Installation, scope: Scope, *collections: str) -> FlaskClient:
    made = create_key(lamina.services.keys, LOCAL, "x", scope, collections=collections)
    lamina.services.keyring.forget()  # that there was none
    return lamina.client(key=made.text)


def stream(client: FlaskClient, path: str, last: int | str | None = None) -> list[dict[str, str]]:
    """Return the events of a stream, read to its end."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/event-stream"
    assert answer.text.startswith("retry: ")
    blocks = [block.splitlines() for block in answer.text.split("\n\n")]
    parsed = [dict(line.split(": ", 1) for line in one if line[0] != ":") for one in blocks if one]
    return [one for one in parsed if "event" in one]


def kinds(events: list[dict[str, str]]) -> list[str]:
    return [one["event"] for one in events]


def test_a_stream_tells_what_happens_and_is_taken_up_again_without_a_gap(
    lamina: Installation,
) -> None:
    lamina.new_collection("other")
    client = lamina.client()
    job = lamina.add({"id": "a", "text": "a"})
    lamina.index_all()
    lamina.add({"id": "b", "text": "b"}, collection="other")
    lamina.index_all()

    everything = stream(client, f"{API}/events?after=0")
    ours = stream(client, f"{API}/events?after=0&collection=c")
    assert kinds(everything) == ["version.published", "job.finished"] * 2
    assert [one["id"] for one in everything] == ["1", "2", "3", "4"]
    assert kinds(ours) == ["version.published", "job.finished"]
    told = json.loads(ours[1]["data"])
    assert told["data"]["job"] == job
    assert told["data"]["documents"] == {"indexed": 1}
    assert stream(client, f"{API}/events") == []
    assert kinds(stream(client, f"{API}/events?after=0", last=3)) == ["job.finished"]
    assert kinds(stream(client, f"{API}/jobs/{job}/events")) == ["job.finished"]
    assert client.get(f"{API}/jobs/{job}/events?after=4").status_code == 204
    problem_of(client.get(f"{API}/jobs/nothing/events"), 404, "job-not-found")
    problem_of(client.get(f"{API}/events?collection=nowhere"), 404, "collection-not-found")

    listed = body_of(client.get(f"{API}/events?stream=false&after=1&collection=c"))
    assert [one["id"] for one in listed["events"]] == [2]
    assert (listed["last"], listed["missed"]) == (4, False)
    lamina.services.events.expire(older_than_seconds=0, limit=2)
    late = stream(client, f"{API}/events", last=1)
    assert kinds(late) == ["gap", "version.published", "job.finished"]
    assert body_of(client.get(f"{API}/events?stream=false&after=1"))["missed"]
    # The place of the first is given back; while it is taken there is none for another.
    assert lamina.services.streams.acquire(blocking=False)
    problem = problem_of(client.get(f"{API}/events"), 503, "too-many-streams")
    assert "stream=false" in problem["detail"]
    lamina.services.streams.release()
    stream(client, f"{API}/events")


def test_a_key_hears_of_its_own_collections_alone(lamina: Installation) -> None:
    lamina.new_collection("other")
    job = lamina.add({"id": "b", "text": "b"}, collection="other")
    lamina.add({"id": "a", "text": "a"})
    lamina.index_all()
    lamina.services.names.point({"live": "c", "hidden": "other"})
    bound = bound_client(lamina, Scope.SEARCH, "c")

    heard = stream(bound, f"{API}/events?after=0")
    assert {json.loads(one["data"])["data"]["collection"] for one in heard} == {"c"}
    assert stream(bound, f"{API}/events?after=0&collection=live") == heard
    for nowhere in ("collection=other", "collection=hidden"):
        problem_of(bound.get(f"{API}/events?{nowhere}"), 404, "collection-not-found")
    problem_of(bound.get(f"{API}/jobs/{job}/events"), 404, "job-not-found")
    assert body_of(bound.get(f"{API}/aliases")) == {"aliases": {"live": "c"}}
    assert bound.get(f"{API}/collections/live/search?q=a").status_code == 200
    problem_of(bound.get(f"{API}/collections/hidden/search?q=a"), 404, "collection-not-found")
    admin = bound_client(lamina, Scope.ADMIN, "c")
    problem_of(admin.put(f"{API}/aliases", json={"aliases": {"x": "c"}}), 403, "forbidden")
    problem_of(admin.patch(f"{API}/collections/c", json={"name": "x"}), 403, "forbidden")


def test_collections_are_renamed_swapped_deleted_recovered_and_removed(
    lamina: Installation,
) -> None:
    client = lamina.client()
    old = lamina.add({"id": "a", "text": "old words"})
    lamina.new_collection("next")
    lamina.add({"id": "a", "text": "new words"}, collection="next")
    lamina.index_all()

    def found(name: str) -> Any:
        return lamina.search("words", collection=name)["hits"][0]["passage"]

    put = client.put(f"{API}/aliases", json={"aliases": {"live": "c"}})
    assert body_of(put) == {"aliases": {"live": "c"}}
    assert found("live") == "old words"
    client.put(f"{API}/aliases", json={"aliases": {"live": "next", "last": "c"}})
    assert (found("live"), found("last")) == ("new words", "old words")
    problem_of(client.post(f"{API}/collections", json={"name": "live"}), 409, "collection-exists")
    in_use = problem_of(client.delete(f"{API}/collections/c"), 409, "collection-in-use")
    assert "'last'" in in_use["detail"]
    client.put(f"{API}/aliases", json={"aliases": {"last": None}})
    renamed = client.patch(f"{API}/collections/c", json={"name": "past", "retention": {"days": 1}})
    assert (body_of(renamed)["name"], body_of(renamed)["retention"]["days"]) == ("past", 1)

    deleted = body_of(client.delete(f"{API}/collections/past"))
    assert (deleted["name"], deleted["documents"]) == ("past", 1)
    problem_of(client.get(f"{API}/collections/past"), 404, "collection-not-found")
    problem_of(client.get(f"{API}/collections/past/search?q=a"), 404, "collection-not-found")
    problem_of(client.get(f"{API}/jobs/{old}"), 404, "job-not-found")
    lamina.new_collection("past")
    again = client.post(f"{API}/collections/past/recover", json={})
    problem_of(again, 409, "collection-exists")
    listed = body_of(client.get(f"{API}/deleted-collections"))["collections"]
    assert [one["id"] for one in listed] == [deleted["id"]]
    body = {"id": deleted["id"], "new_name": "back"}
    recovered = client.post(f"{API}/collections/past/recover", json=body)
    assert body_of(recovered)["documents"] == 1
    assert found("back") == "old words"

    client.delete(f"{API}/collections/back")
    while remove_next(lamina.services.discards, lamina.services.files, deleted_days=0):
        pass
    assert list(lamina.services.files.entries(deleted["id"])) == []
    assert body_of(client.get(f"{API}/deleted-collections"))["collections"] == []
    problem_of(client.post(f"{API}/collections/back/recover", json={}), 404, "collection-not-found")
    assert found("live") == "new words"
