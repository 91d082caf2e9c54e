"""The API does what its documentation says."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from shared.domain import Condition, State
from tests.unit.web.installation import ENCODER, Installation, body_of, problem_of

DOCUMENTS = "/api/v1/collections/c/documents"


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("api")
    with Installation.open(folder) as installation:
        yield installation


def test_a_document_is_accepted_indexed_and_found(lamina: Installation) -> None:
    accepted = lamina.client().post(
        DOCUMENTS,
        json={"documents": [{"id": "tea", "title": "Tea", "text": "green leaves"}, {"text": "x"}]},
    )
    job = body_of(accepted)["job"]
    before = body_of(lamina.client().get(job["url"]))
    lamina.index_all()
    found = lamina.search("green leaves")
    after = body_of(lamina.client().get(accepted.headers["Location"]))

    assert accepted.status_code == 202
    assert [one["status"] for one in body_of(accepted)["documents"]] == ["pending", "pending"]
    assert job["url"] == accepted.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (before["status"], before["finished"], before["counts"]["pending"]) == (
        "waiting",
        False,
        2,
    )
    assert (after["status"], after["finished"], after["total"]) == ("done", True, 2)
    assert set(after["counts"]) == {str(state) for state in State}
    assert after["source"] == "api"
    assert found["hits"][0]["id"] == "tea"
    assert found["hits"][0]["passage"] == "green leaves"
    assert found["version"] == after["version"]
    assert found["score"].startswith("cosine similarity")
    assert "after" not in found
    assert found["took_ms"]["total"] > 0


def test_times_are_rfc_3339_in_utc_with_milliseconds(lamina: Installation) -> None:
    job = lamina.add({"text": "what time is it"})
    stages = body_of(lamina.client().get(f"/api/v1/jobs/{job}"))["stages"]

    assert stages["claimed_at"] is None
    assert stages["accepted_at"][10] == "T"
    assert stages["accepted_at"][19] == "."
    assert stages["accepted_at"][23:] == "Z"


def test_a_repeated_key_gets_the_first_answer_again_and_rings_no_bell(lamina: Installation) -> None:
    body, headers = {"documents": [{"text": "once"}]}, {"Idempotency-Key": "k/1"}
    first = lamina.client().post(DOCUMENTS, json=body, headers=headers)
    rung = lamina.bell.rung
    second = lamina.client().post(DOCUMENTS, json=body, headers=headers)

    assert second.status_code == 202
    assert body_of(second)["job"] == body_of(first)["job"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert lamina.bell.rung == rung


def test_a_key_with_other_content_is_refused_and_the_receipts_say_both(
    lamina: Installation,
) -> None:
    headers = {"Idempotency-Key": "orders/2026//7"}
    lamina.client().post(DOCUMENTS, json={"documents": [{"text": "one"}]}, headers=headers)
    refused = lamina.client().post(
        DOCUMENTS, json={"documents": [{"text": "two"}]}, headers=headers
    )
    receipts = body_of(lamina.client().get("/api/v1/receipts/orders/2026//7"))

    problem_of(refused, 409, "key-reused")
    assert receipts["status"] == "rejected"
    assert [one["status"] for one in receipts["receipts"]] == ["rejected", "accepted"]
    assert receipts["receipts"][0]["job"] is None
    assert receipts["receipts"][1]["job"]["url"].startswith("/api/v1/jobs/")


@pytest.mark.parametrize(
    "document_id",
    ["a/b", "/a", "a//b", "a/", "//", "..", "a/../b", ".", "ünï cøde 茶", "100%", "a?b#c", "a+b&c"],
)
def test_any_id_can_be_looked_up_and_deleted(lamina: Installation, document_id: str) -> None:
    lamina.add({"id": document_id, "text": "words of some document"})
    lamina.index_all()
    quoted = "".join(f"%{byte:02X}" for byte in document_id.encode())
    shown = body_of(lamina.client().get(f"{DOCUMENTS}/{quoted}"))
    deleted = lamina.client().delete(f"{DOCUMENTS}/{quoted}")
    lamina.index_all()

    assert shown["id"] == document_id
    assert shown["status"] == "indexed"
    assert shown["chunks"][0]["tokens"] > 0
    assert shown["stages"]["published_at"] is not None
    assert deleted.status_code == 202
    assert body_of(deleted)["documents"][0]["id"] == document_id
    problem_of(lamina.client().get(f"{DOCUMENTS}/{quoted}"), 404, "document-not-found")
    problem_of(lamina.client().delete(f"{DOCUMENTS}/{quoted}"), 404, "document-not-found")


def test_an_old_version_answers_with_the_old_text(lamina: Installation) -> None:
    lamina.new_collection("old")
    for text in ("first text", "second text"):
        lamina.add({"id": "d", "text": text}, collection="old")
        lamina.index_all()

    assert lamina.search("text", "old", version=1)["hits"][0]["passage"] == "first text"
    assert lamina.search("text", "old")["hits"][0]["passage"] == "second text"
    versions = body_of(lamina.client().get("/api/v1/collections/old/versions?limit=2"))["versions"]
    assert [(one["version"], one["kind"]) for one in versions] == [(2, "commit"), (1, "commit")]


def test_a_search_after_a_job_sees_it_or_says_that_it_did_not(lamina: Installation) -> None:
    job = lamina.add({"id": "late", "text": "read your writes"})
    address = f"/api/v1/collections/c/search?q=read+your+writes&after={job}"
    too_early = body_of(lamina.client().get(address))
    lamina.index_all()
    in_time = body_of(lamina.client().get(address))

    assert too_early["after"] == {"job": job, "done": False}
    assert too_early["waiting"] >= 1
    assert in_time["after"] == {"job": job, "done": True}
    assert in_time["hits"][0]["id"] == "late"


def test_too_many_waiting_searches_are_told_to_come_back(lamina: Installation) -> None:
    job = lamina.add({"text": "slow"})
    address = f"/api/v1/collections/c/search?q=slow&after={job}"
    held = lamina.services.searcher.waiters
    with held:
        refused = lamina.client().get(address)
    lamina.index_all()

    problem_of(refused, 429, "overloaded")
    assert refused.headers["Retry-After"] == "1"


def test_collections_are_created_described_and_listed(lamina: Installation) -> None:
    created = lamina.client().post(
        "/api/v1/collections",
        json={"name": "notes", "metric": "l2", "chunking": {"mode": "none", "max_tokens": 32}},
    )
    one = body_of(lamina.client().get(created.headers["Location"]))
    listed = body_of(lamina.client().get("/api/v1/collections"))["collections"]

    assert created.status_code == 201
    assert created.headers["Location"] == "/api/v1/collections/notes"
    assert body_of(created) == one
    assert {name: one[name] for name in listed[0]} in listed
    assert (one["encoder"], one["metric"], one["version"]) == (ENCODER, "l2", 0)
    assert (one["chunking"]["mode"], one["chunking"]["max_tokens"]) == ("none", 32)
    again = lamina.client().post("/api/v1/collections", json={"name": "notes"})
    problem_of(again, 409, "collection-exists")
    missing = lamina.client().post("/api/v1/collections", json={"name": "x", "encoder": "no"})
    problem_of(missing, 422, "encoder-not-installed")


def test_jobs_are_listed_newest_first_and_by_collection(lamina: Installation) -> None:
    lamina.new_collection("mine")
    first = lamina.add({"text": "one"}, collection="mine")
    second = lamina.add({"text": "two"}, collection="mine")
    jobs = body_of(lamina.client().get("/api/v1/jobs?collection=mine&limit=5"))["jobs"]
    lamina.index_all()

    assert [job["id"] for job in jobs] == [second, first]
    problem_of(lamina.client().get("/api/v1/jobs?collection=no"), 404, "collection-not-found")


def test_a_document_that_fails_says_why_and_harms_no_other(lamina: Installation) -> None:
    lamina.encoder.refuse("unreadable")
    job = lamina.add({"id": "bad", "text": "unreadable"}, {"id": "good", "text": "readable"})
    lamina.index_all()
    report = body_of(lamina.client().get(f"/api/v1/jobs/{job}"))
    document = body_of(lamina.client().get(f"{DOCUMENTS}/bad"))

    assert report["status"] == "done"
    assert (report["counts"]["failed"], report["counts"]["indexed"]) == (1, 1)
    assert report["errors"][0]["document"] == "bad"
    assert (document["status"], document["error"]) == ("failed", report["errors"][0]["message"])


def test_claims_show_how_documents_were_encoded_together(lamina: Installation) -> None:
    lamina.add({"text": "one of a claim"}, {"text": "two of a claim"})
    lamina.index_all()
    newest = body_of(lamina.client().get("/api/v1/claims?limit=1"))["claims"][0]

    assert newest["documents"] == 2
    assert newest["closed_by"]
    assert all(str(newest[name])[-1] == "Z" for name in newest if name.endswith("_at"))


def test_the_status_counts_processes_and_what_waits(lamina: Installation) -> None:
    lamina.services.roster.beat("host:1", "index")
    lamina.add({"text": "waits"})
    status = body_of(lamina.client().get("/api/v1/status"))
    lamina.index_all()

    assert status["processes"]["index"] == 1
    assert status["backlog"]["pending"] == 1
    assert status["backlog"]["oldest_seconds"] >= 0
    assert status["version"] == "0.1.0"
    assert any(one["name"] == "c" for one in status["collections"])


def test_a_process_in_trouble_is_shown_and_named_in_readyz_which_stays_ready(
    lamina: Installation,
) -> None:
    roster = lamina.services.roster
    trouble = Condition(trouble="Out of space: 0.5 GB are free.", trouble_seconds=60.0)
    roster.beat("host:1", "index", trouble)
    roster.beat("host:2", "index")
    client = lamina.client()
    status = body_of(client.get("/api/v1/status"))
    ready = client.get("/readyz")
    roster.beat("host:1", "index")
    later = body_of(client.get("/api/v1/status"))

    assert status["processes"]["index"] == 2
    (shown,) = status["troubles"]
    assert shown["process"] == "host:1"
    assert shown["kind"] == "index"
    assert shown["trouble"] == "Out of space: 0.5 GB are free."
    assert datetime.fromisoformat(shown["since"]).timestamp() == pytest.approx(
        roster.now() - 60, abs=30
    )
    assert "index host:1: Out of space: 0.5 GB are free." in body_of(ready)["warnings"]
    assert not any("host:1" in reason for reason in body_of(ready)["reasons"])
    assert later["troubles"] == []


def test_encoders_and_schemas_are_published(lamina: Installation) -> None:
    encoders = body_of(lamina.client().get("/api/v1/encoders"))["encoders"]
    schema = lamina.client().get("/api/v1/schemas/lamina.submit.v1.json")

    assert [one["name"] for one in encoders] == [ENCODER]
    assert schema.mimetype == "application/schema+json"
    assert "documents" in body_of(schema)["properties"]
    problem_of(lamina.client().get("/api/v1/schemas/__init__.py"), 404, "not-found")


def test_texts_of_megabytes_are_taken_quickly(lamina: Installation) -> None:
    text = "tea " * 1_200_000
    response = lamina.client().post(DOCUMENTS, json={"documents": [{"id": "long", "text": text}]})
    lamina.client().delete(f"{DOCUMENTS}/long")

    assert response.status_code == 202


def test_readiness_names_what_is_missing_and_turns_when_warm(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as installation:
        client = installation.client()
        cold = client.get("/readyz")
        installation.app.extensions["background"].start()
        warm = threading.Event()
        for _ in range(200):
            alive = body_of(client.get("/api/v1/status"))["processes"]
            if alive and client.get("/readyz").status_code == 200:
                break
            warm.wait(0.02)
        ready = body_of(client.get("/readyz"))

    assert client.get("/livez").status_code == 200
    assert cold.status_code == 503
    assert "encoder" in body_of(cold)["reasons"][0]
    assert ready["ready"]
    assert "worker" in ready["warnings"][0]
    assert alive == {"web": 1}
