"""Dead letters over HTTP."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.domain import Rejection
from shared.messages import parse
from shared.services import message_limits
from tests.unit.web.installation import Installation, body_of, problem_of

ROOT = "/api/v1/dead-letters"


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path) as installation:
        yield installation


def take(lamina: Installation, *raws: bytes) -> None:
    """Take messages as the intake does."""
    limits = message_limits(lamina.services.settings)
    letters = [
        parse(raw, limits, source="queue:q", receipt=f"push:{number}")
        for number, raw in enumerate(raws)
    ]
    lamina.services.inbox.take(letters)


def push(**changes: object) -> bytes:
    message = {"collection": "later", "documents": [{"id": "a", "text": "a text"}]}
    return json.dumps(message | changes).encode()


def fail(lamina: Installation, *names: str) -> str:
    lamina.encoder.refuse("odd")
    job = lamina.add(*({"id": name, "title": "T", "text": f"odd {name}"} for name in names))
    lamina.index_all()
    lamina.encoder.forgive()
    return job


def listed(lamina: Installation, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body_of(lamina.client().get(ROOT + query))["dead_letters"]
    return found


def test_what_failed_and_what_was_refused_is_listed_and_shown_whole(lamina: Installation) -> None:
    job = fail(lamina, "a")
    take(lamina, b"\xff\x00", push(key="ü"))

    text, raw, document = listed(lamina)

    assert (document["kind"], document["document"], document["job"]["id"]) == ("document", "a", job)
    assert (document["reason"], document["replayable"], document["source"]) == (
        "failed",
        True,
        "api",
    )
    assert (text["kind"], text["key"], text["reason"]) == ("message", "ü", "no-such-collection")
    whole = body_of(lamina.client().get(document["url"]))
    assert whole["content"] == {
        "title": "T",
        "text": "odd a",
        "metadata": {},
        "external_version": None,
    }
    assert whole["message"] is None
    shown = body_of(lamina.client().get(raw["url"]))["message"]
    assert (shown["encoding"], base64.b64decode(shown["raw"]), shown["size"]) == (
        "base64",
        b"\xff\x00",
        2,
    )
    shown = body_of(lamina.client().get(text["url"]))["message"]
    assert (shown["encoding"], shown["raw"].encode()) == ("utf-8", push(key="ü"))
    assert body_of(lamina.client().get("/api/v1/status"))["dead_letters"] == 3


def test_a_list_is_filtered_and_paged(lamina: Installation) -> None:
    fail(lamina, "a", "b")
    take(lamina, b"?", push())

    assert [one["reason"] for one in listed(lamina, "?reason=not-json")] == ["not-json"]
    assert len(listed(lamina, "?kind=document&collection=c&text=CHOKES")) == 2
    assert listed(lamina, "?since=2100-01-01T00:00:00Z") == []
    first = body_of(lamina.client().get(f"{ROOT}?limit=3"))
    rest = body_of(lamina.client().get(f"{ROOT}?limit=3&cursor={first['next_cursor']}"))
    assert (len(first["dead_letters"]), len(rest["dead_letters"])) == (3, 1)
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?cursor=x", "/cursor"),
        ("?limit=0", "/limit"),
        ("?kind=other", "/kind"),
        ("?raeson=misspelt", "/raeson"),
        ("?since=yesterday", "/since"),
        ("?since=2026-01-01T00:00:00", "/since"),
        ("?text=", "/text"),
    ],
)
def test_a_wrong_filter_says_where(lamina: Installation, query: str, pointer: str) -> None:
    problem = problem_of(lamina.client().get(ROOT + query), 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == pointer


def test_one_is_replayed_and_a_second_time_changes_nothing(lamina: Installation) -> None:
    job = fail(lamina, "a")
    (letter,) = listed(lamina)

    done = body_of(lamina.client().post(f"{letter['url']}/replay", json={}))

    assert (done["outcome"], done["job"]["id"], done["id"]) == ("replayed", job, letter["id"])
    assert lamina.bell.rung >= 2
    assert listed(lamina) == []
    problem_of(
        lamina.client().post(f"{letter['url']}/replay", json={}), 404, "dead-letter-not-found"
    )
    lamina.index_all()
    assert lamina.search("odd a")["hits"][0]["id"] == "a"


def test_a_message_is_replayed_by_filter_and_its_job_is_told(lamina: Installation) -> None:
    take(lamina, push(key="k", producer="orders", tenant={"id": 1}), push(collection="never"))
    lamina.new_collection("later")

    done = body_of(lamina.client().post(f"{ROOT}/replay", json={"collection": "later"}))

    assert done["counts"]["replayed"] == 1
    assert done["next_cursor"] is None
    (result,) = done["results"]
    job = body_of(lamina.client().get(result["job"]["url"]))
    assert (job["key"], job["producer"], job["extra"]) == ("k", "orders", {"tenant": {"id": 1}})
    receipts = body_of(lamina.client().get("/api/v1/receipts/k"))
    assert receipts["status"] == "accepted"
    (replayed,) = listed(lamina, "?replayed=true")
    assert (replayed["job"]["id"], replayed["replayable"]) == (job["id"], False)
    (left,) = listed(lamina)
    assert left["collection"] == "never"


def test_everything_must_be_asked_for_by_name(lamina: Installation) -> None:
    take(lamina, *(push(key=f"k{number}") for number in range(3)))
    lamina.new_collection("later")
    for refused in (
        lamina.client().post(f"{ROOT}/replay", json={}),
        lamina.client().delete(ROOT),
    ):
        problem = problem_of(refused, 422, "invalid-request")
        assert problem["errors"][0]["pointer"] == "/all"
    assert len(listed(lamina)) == 3

    first = body_of(lamina.client().post(f"{ROOT}/replay", json={"all": True, "limit": 2}))
    again = {"all": True, "cursor": first["next_cursor"]}
    rest = body_of(lamina.client().post(f"{ROOT}/replay", json=again))

    assert (first["counts"]["replayed"], rest["counts"]["replayed"]) == (2, 1)
    assert rest["next_cursor"] is None


def test_what_is_refused_again_or_was_cut_stays_and_says_why(lamina: Installation) -> None:
    take(lamina, push())
    cut = Rejection(source="q", raw=b"x", reason="too-large", detail="d", size=9)
    lamina.services.inbox.take([cut])
    done = body_of(lamina.client().post(f"{ROOT}/replay", json={"all": True}))
    assert [(one["outcome"]) for one in done["results"]] == ["refused", "impossible"]
    assert done["results"][0]["detail"].startswith("no-such-collection: ")
    too_large, _ = listed(lamina)
    assert too_large["obstacle"] == done["results"][1]["detail"]
    assert not too_large["replayable"]


def test_dead_letters_are_dismissed_one_by_one_and_by_filter(lamina: Installation) -> None:
    fail(lamina, "a")
    take(lamina, b"?", b"??", push())
    newest = listed(lamina)[0]

    assert lamina.client().delete(newest["url"]).status_code == 204
    problem_of(lamina.client().delete(newest["url"]), 404, "dead-letter-not-found")
    step = body_of(lamina.client().delete(f"{ROOT}?reason=not-json&limit=1"))
    assert step == {"dismissed": 1, "more": True}
    rest = body_of(lamina.client().delete(f"{ROOT}?all=true"))
    assert rest == {"dismissed": 2, "more": False}
    assert listed(lamina) == []
    document = body_of(lamina.client().get("/api/v1/collections/c/documents/a"))
    assert document["status"] == "failed"


@pytest.mark.parametrize("name", ["document:1", "message:7", "other:1", "7", "message:", "a/b"])
def test_what_is_no_dead_letter_is_not_found(lamina: Installation, name: str) -> None:
    lamina.add({"id": "fine", "text": "x"})
    status = lamina.client().get(f"{ROOT}/{name}").status_code
    assert status == 404


def test_a_producer_over_http_says_who_it_is(lamina: Installation) -> None:
    address = "/api/v1/collections/c/documents"
    documents = {"documents": [{"id": "a", "text": "x"}]}
    sent = lamina.client().post(address, json=documents, headers={"X-Lamina-Producer": "orders"})
    job = body_of(lamina.client().get(body_of(sent)["job"]["url"]))
    assert job["producer"] == "orders"
    lamina.index_all()
    gone = lamina.client().delete(f"{address}/a", headers={"X-Lamina-Producer": "orders"})
    assert body_of(lamina.client().get(body_of(gone)["job"]["url"]))["producer"] == "orders"
    for wrong in ("x" * 101, "tab\tinside"):
        refused = lamina.client().post(
            address, json=documents, headers={"X-Lamina-Producer": wrong}
        )
        problem_of(refused, 422, "invalid-request")


def test_a_key_that_is_bound_to_collections_sees_and_does_only_theirs(
    lamina: Installation,
) -> None:
    lamina.new_collection("mine")
    fail(lamina, "theirs")
    take(lamina, push(collection="mine", documents=[]), b"nobody's", push())
    names = {one["collection"]: one["url"] for one in listed(lamina)}
    made = lamina.client().post(
        "/api/v1/keys", json={"name": "app", "scope": "write", "collections": ["mine"]}
    )
    client = lamina.client(key=body_of(made)["key"])

    problem_of(client.get(ROOT), 403, "forbidden")
    problem_of(client.post(f"{ROOT}/replay", json={"all": True}), 403, "forbidden")
    problem_of(client.delete(f"{ROOT}?all=true"), 403, "forbidden")
    problem_of(client.get(f"{ROOT}?collection=c"), 404, "collection-not-found")
    for others in ("c", "later", None):
        problem_of(client.get(names[others]), 404, "dead-letter-not-found")
        problem_of(client.post(f"{names[others]}/replay", json={}), 404, "dead-letter-not-found")
        problem_of(client.delete(names[others]), 404, "dead-letter-not-found")
    assert len(body_of(client.get(f"{ROOT}?collection=mine"))["dead_letters"]) == 1
    assert body_of(client.get("/api/v1/status"))["dead_letters"] is None
    assert client.delete(names["mine"]).status_code == 204
