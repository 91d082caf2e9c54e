"""Many documents at once over HTTP: a result a line, and nothing lost, doubled or held."""

import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from shared.bulk import streams
from shared.bulk.streams import gunzip, split
from shared.deletions import carry_out
from shared.errors import CommitUnknown, InvalidRequest, TooLarge
from shared.upkeep.expiring import Sweep
from tests.unit.web.installation import Installation, body_of, problem_of

BULK = "/api/v1/collections/c/documents/bulk"
DOCUMENTS = "/api/v1/collections/c/documents"
LIMITS = {"documents": 5, "message_bytes": 2000, "request_bytes": 3000, "backlog": 20}


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, limits=LIMITS) as installation:
        yield installation


def send(
    lamina: Installation, lines: bytes, *, gz: bool = False, **headers: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the results and the summary."""
    answer = post(lamina, lines, gz=gz, **headers)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/x-ndjson"
    *results, last = (json.loads(line) for line in answer.get_data().splitlines())
    return results, last["summary"]


def post(lamina: Installation, lines: bytes, *, gz: bool = False, **headers: str) -> TestResponse:
    extra = {"Content-Encoding": "gzip"} if gz else {}
    return lamina.client().post(
        BULK,
        data=gzip.compress(lines) if gz else lines,
        content_type="application/x-ndjson",
        headers=extra | {name.replace("_", "-"): value for name, value in headers.items()},
    )


def lines_of(*documents: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def some(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"d{n}", "text": f"text {n}"} for n in range(start, start + count)]


def test_each_line_is_answered_and_a_bad_one_fails_alone(lamina: Installation) -> None:
    body = b"\n".join(
        [
            b'{"id": "a", "text": "first", "metadata": {"n": 1}}',
            b'{"id": "b", "txt": 1}',
            b"",
            b'{"text": ',
            b'{"delete": "never"}',
            b'{"id": "long", "text": "' + b"x" * 5000 + b'"}',
            b'{"delete": "a", "text": "x"}',
            b'["list"]',
            b'{"text": "without an id"}\r',
            b'{"id": "\\ud800", "text": "x"}',
            b'{"id": "a", "text": "last"}',
        ]
    )
    results, summary = send(lamina, body, gz=True)
    lamina.index_all()

    assert [(one["line"], one["status"]) for one in results] == [
        (1, 202),
        (2, 422),
        (4, 422),
        (5, 404),
        (6, 413),
        (7, 422),
        (8, 422),
        (9, 202),
        (10, 422),
        (11, 202),
    ]
    fault = {"pointer": "/txt", "detail": "is not a field of a document"}
    assert results[1]["errors"] == [fault]
    assert "not valid JSON" in results[2]["error"]
    assert results[3]["error"] == "There is no document 'never' to delete."
    assert results[4]["type"] == "/problems/too-large"
    assert "LAMINA_LIMITS_MESSAGE_BYTES" in results[4]["error"]
    assert results[7]["id"]
    assert (summary["lines"], summary["accepted"], summary["refused"]) == (10, 3, 7)
    assert summary["statuses"] == {"202": 3, "422": 5, "404": 1, "413": 1}
    # 5 lines a batch, of which 2 held something to store.
    assert summary["jobs"] == len({one["job_id"] for one in results if "job_id" in one}) == 2
    assert body_of(lamina.client().get(f"{DOCUMENTS}/a"))["text"] == "last"

    gone, _ = send(lamina, lines_of({"delete": "a"}))
    lamina.index_all()
    assert [one["status"] for one in gone] == [202]
    assert lamina.client().get(f"{DOCUMENTS}/a").status_code == 404


def test_a_body_that_was_cut_is_sent_again_and_nothing_is_doubled(lamina: Installation) -> None:
    whole = lines_of(*some(12), {"text": "an id is made for this one"})
    packed = gzip.compress(whole)
    cut = post(lamina, b"", Idempotency_Key="k")  # nothing at all is no fault
    assert cut.status_code == 200

    answer = lamina.client().post(
        BULK,
        input_stream=io.BytesIO(packed[:-12]),
        content_type="application/x-ndjson",
        headers={"Content-Encoding": "gzip", "Idempotency-Key": "k"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    *first, last = (json.loads(line) for line in answer.get_data().splitlines())
    again, summary = send(lamina, whole, Idempotency_Key="k")

    assert [one["line"] for one in first] == list(range(1, 11))  # whole batches of 5
    assert last["summary"]["status"] == 422
    assert "ends before its end" in last["summary"]["error"]
    assert [one["id"] for one in again[:10]] == [one["id"] for one in first]
    assert [one["job_id"] for one in again[:10]] == [one["job_id"] for one in first]
    assert (summary["accepted"], summary["repeated"]) == (13, 10)
    assert lamina.services.roster.backlog()["pending"] == 13
    pages, cursor = [], ""
    while cursor is not None:
        page = body_of(lamina.client().get(f"/api/v1/jobs?limit=2{cursor and f'&cursor={cursor}'}"))
        pages += [one["id"] for one in page["jobs"]]
        cursor = page["next_cursor"]
    assert pages == [one["job_id"] for one in again[::-5]]
    since = body_of(lamina.client().get(f"/api/v1/jobs/{pages[0]}"))["stages"]["accepted_at"]
    lately = body_of(lamina.client().get(f"/api/v1/jobs?since={since}&until=2100-01-01T00:00:00Z"))
    assert lately["jobs"][0]["id"] == pages[0]
    problem_of(lamina.client().get("/api/v1/jobs?cursor=x"), 422, "invalid-request")
    third, summary = send(lamina, whole, gz=True, Idempotency_Key="k")
    assert (summary["repeated"], third[12]["id"]) == (13, again[12]["id"])
    assert lamina.services.roster.backlog()["pending"] == 13
    # Other content under the key: that batch is refused, the others are known.
    other, _ = send(lamina, whole.replace(b"text 7", b"text x"), Idempotency_Key="k")
    assert [one["status"] for one in other] == [202] * 5 + [409] * 5 + [202] * 3


def test_past_the_backlog_each_line_is_told_so_and_nothing_behind_it_is_taken(
    lamina: Installation,
) -> None:
    results, summary = send(lamina, lines_of(*some(30), "bad"), Idempotency_Key="k")

    # Of 20, bulk work may fill 18; a batch that begins below that is taken whole.
    assert [one["status"] for one in results] == [202] * 20 + [429] * 10 + [422]
    assert summary["retry_after_seconds"] >= 1
    assert "LAMINA_LIMITS_BACKLOG" in results[20]["error"]
    lamina.index_all()
    lamina.services.backlog._count.forget()
    again, summary = send(lamina, lines_of(*some(30), "bad"), Idempotency_Key="k")
    assert [one["status"] for one in again] == [202] * 30 + [422]
    assert summary["repeated"] == 20


def test_while_the_catalog_is_away_lines_wait_their_turn(
    lamina: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, calls = lamina.services.inbox.accept, []

    def away_at_the_second(submission: Any, **options: Any) -> Any:
        calls.append(submission)
        if len(calls) == 2:
            raise CommitUnknown
        return accept(submission, **options)

    monkeypatch.setattr(lamina.services.inbox, "accept", away_at_the_second)
    results, _ = send(lamina, lines_of(*some(12)))

    assert [one["status"] for one in results] == [202] * 5 + [503] * 7
    assert len(calls) == 2


def test_what_is_no_bulk_request_is_refused_whole(lamina: Installation) -> None:
    client = lamina.client()
    problem_of(client.post(BULK, json={}), 415, "unsupported-media-type")
    brotli = client.post(
        BULK, data=b"", content_type="application/x-ndjson", headers={"Content-Encoding": "br"}
    )
    problem_of(brotli, 415, "unsupported-media-type")
    no_gzip = client.post(
        BULK, data=b"{}", content_type="application/x-ndjson", headers={"Content-Encoding": "gzip"}
    )
    problem_of(no_gzip, 422, "invalid-request")
    missing = client.post(
        BULK.replace("/c/", "/no/"), data=b"{}", content_type="application/x-ndjson"
    )
    problem_of(missing, 404, "collection-not-found")
    problem_of(post(lamina, b"{}", Idempotency_Key="k" * 300), 422, "invalid-request")
    short = client.post(
        BULK,
        input_stream=io.BytesIO(b'{"text": "cut"}'),
        content_type="application/x-ndjson",
        environ_overrides={"CONTENT_LENGTH": "100"},
    )
    problem_of(short, 422, "invalid-request")
    assert not lamina.services.records.jobs(limit=1)


def test_lines_and_gzip_take_no_more_memory_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [b"a\nbb", b"b\n\nc", b"ccccc\ndd", b"d"]
    assert list(split(pieces, 4)) == [b"a", b"bbb", b"", None, b"ddd"]
    assert list(split([b"xxxxx"], 4)) == [None]
    two = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    by_bytes = [two[place : place + 1] for place in range(len(two))]
    assert b"".join(gunzip(by_bytes, most_bytes=100, most_ratio=1)) == b"one\ntwo\n"
    for broken in (two[:-1], two[:5], b"x" * 20, two[:-3] + b"xyz"):
        with pytest.raises(InvalidRequest):
            list(gunzip([broken], most_bytes=100, most_ratio=1))
    noise = gzip.compress(os.urandom(1000))
    with pytest.raises(TooLarge, match="BULK_BYTES"):
        list(gunzip([noise], most_bytes=999, most_ratio=1))
    bomb = gzip.compress(bytes(50_000_000), 9)
    monkeypatch.setattr(streams, "_FREE_BYTES", 1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="BULK_RATIO"):
            list(split(gunzip([bomb], most_bytes=10**9, most_ratio=100), 10_000))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_documents_are_patched_listed_and_deleted_over_http(lamina: Installation) -> None:
    client = lamina.client()
    send(lamina, lines_of(*({**one, "metadata": {"n": n}} for n, one in enumerate(some(6)))))
    lamina.index_all()

    changed = client.patch(
        f"{DOCUMENTS}/d1",
        data=json.dumps({"metadata": {"n": None, "seen": True}}),
        content_type="application/merge-patch+json",
    )
    assert changed.status_code == 202
    lamina.index_all()
    d1 = body_of(client.get(f"{DOCUMENTS}/d1"))
    assert (d1["metadata"], d1["text"], d1["status"]) == ({"seen": True}, "text 1", "indexed")
    assert lamina.services.records.claims(limit=1)[0]["tokens"] == 0
    assert lamina.search("text 1")["hits"][0]["id"] == "d1"
    problem_of(client.patch(f"{DOCUMENTS}/d1", json={"id": "x"}), 422, "invalid-request")
    problem_of(client.patch(f"{DOCUMENTS}/d1", json={"text": 5}), 422, "invalid-document")
    problem_of(client.patch(f"{DOCUMENTS}/no", json={}), 404, "document-not-found")

    listed = body_of(client.get(f"{DOCUMENTS}?limit=4&filter=n+>+1"))
    assert [one["id"] for one in listed["documents"]] == ["d2", "d3", "d4", "d5"]
    assert "text" not in listed["documents"][0]
    assert listed["documents"][0]["job"]["url"].startswith("/api/v1/jobs/")
    newest = body_of(client.get(f"{DOCUMENTS}?version=newest&prefix=d&limit=2"))
    assert newest["next_cursor"] == "d1"
    problem_of(client.get(f"{DOCUMENTS}?version=99"), 404, "version-not-found")
    problem_of(client.get(f"{DOCUMENTS}?filter=n+>"), 422, "invalid-request")

    delete = f"{DOCUMENTS}/delete"
    dry = body_of(client.post(delete, json={"filter": "n >= 4", "dry_run": True}))
    assert (dry["matched"], dry["job"]) == (2, None)
    done = client.post(delete, json={"filter": {">=": ["n", 4]}})
    job = body_of(client.get(body_of(done)["job"]["url"]))
    assert (done.status_code, job["extra"]["deleted"], job["total"]) == (202, 2, 2)
    send(lamina, lines_of(*({**one, "metadata": {"n": 99}} for one in some(6, 100))))
    lamina.index_all()
    growing = body_of(client.post(delete, json={"filter": "n = 99"}))["job"]["url"]  # 5 a step
    assert not body_of(client.get(growing))["finished"]
    assert body_of(client.get(f"{growing}/why"))["reasons"][0]["code"] == "growing"
    assert carry_out(lamina.services.documents, lamina.bell, limit=5)
    assert not carry_out(lamina.services.documents, lamina.bell, limit=5)
    lamina.index_all()
    assert body_of(client.get(growing))["counts"]["indexed"] == 6
    by_id = client.post(delete, json={"ids": ["d0", "never"]})
    assert [one["status"] for one in body_of(by_id)["documents"]] == ["pending", "unchanged"]
    lamina.index_all()
    left = body_of(client.get(DOCUMENTS))["documents"]
    assert [one["id"] for one in left] == ["d1", "d2", "d3"]
    sweep = Sweep(lamina.services.expiry, key_days=1e-9, job_days=1e-9, rejection_days=1e-9)
    while sweep.take():
        pass
    assert body_of(client.get("/api/v1/jobs"))["jobs"] == []
    assert body_of(client.get(f"{DOCUMENTS}/d1"))["job"] is None
    why = client.get("/api/v1/why?collection=c&document=d1")
    assert body_of(why)["reasons"][0]["code"] == "indexed"
    for body in ({}, {"ids": ["a"], "filter": "n = 1"}, {"ids": ["a"], "dry_run": True}):
        problem_of(client.post(delete, json=body), 422, "invalid-request")
    problem_of(client.post(delete, json={"ids": [1.5]}), 422, "invalid-document")
