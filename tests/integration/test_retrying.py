"""Retrying what failed of a job, and the batches it was encoded in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from typer.testing import CliRunner

from shared.cli import configuration
from shared.cli.commands import app
from shared.client import Client
from shared.domain import State
from tests.unit.web.installation import KEY, Installation, body_of, problem_of


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path) as installation:
        yield installation


def fail(lamina: Installation, count: int) -> str:
    """Hand in so many documents that fail, and one that does not."""
    lamina.encoder.refuse("odd")
    job = lamina.add(*({"id": f"d{n}", "text": f"odd {n}"} for n in range(count)), {"text": "fine"})
    lamina.index_all()
    lamina.encoder.forgive()
    return job


def retry(client: FlaskClient, job: str, **body: Any) -> dict[str, Any]:
    response = client.post(f"/api/v1/jobs/{job}/retry", json=body)
    assert response.status_code == 200, response.text
    return body_of(response)


def test_what_failed_of_a_job_is_retried_one_by_one_or_all_together(lamina: Installation) -> None:
    job, client = fail(lamina, 4), lamina.client()
    other = fail(lamina, 0)
    rings = lamina.bell.rung
    lamina.add({"id": "d3", "text": "newer, and not odd"})

    one = retry(client, job, documents=["d1", "no such"])
    assert (one["retried"], one["superseded"], one["more"]) == (1, 0, False)
    assert one["job"]["counts"]["pending"] == 1
    assert lamina.bell.rung > rings
    lamina.index_all()

    all_ = retry(client, job)
    assert all_["retried"] == 2
    assert all_["impossible"] == 0
    lamina.index_all()
    counts = lamina.services.records.job(job).counts
    assert counts[State.INDEXED] == 4
    again = retry(client, job)
    assert (again["retried"], again["details"]) == (0, [])
    assert retry(client, other)["retried"] == 0
    assert {hit["id"] for hit in lamina.search("odd", k=10)["hits"]} >= {"d0", "d1", "d2"}


def test_many_are_retried_in_steps_and_the_answer_says_if_there_are_more(
    lamina: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.dead_letters._RETRIED_AT_ONCE", 2)
    monkeypatch.setattr("web.api.jobs._MOST_RETRIED", 5)
    job = fail(lamina, 7)

    first, second = retry(lamina.client(), job), retry(lamina.client(), job)
    assert (first["retried"], first["more"]) == (5, True)
    assert (second["retried"], second["more"]) == (2, False)


def test_a_retry_that_cannot_be_is_refused(lamina: Installation) -> None:
    client = lamina.client()
    job = fail(lamina, 1)
    problem_of(client.post("/api/v1/jobs/none/retry", json={}), 404, "job-not-found")
    problem_of(
        client.post(f"/api/v1/jobs/{job}/retry", json={"documents": []}), 422, "invalid-request"
    )
    assert lamina.services.records.job(job).counts[State.FAILED] == 1


def test_the_batches_of_a_job_say_why_they_closed(lamina: Installation) -> None:
    job = fail(lamina, 2)
    lamina.add({"id": "other", "text": "of another job"})
    lamina.index_all()
    client = lamina.client()

    (batch,) = body_of(client.get(f"/api/v1/claims?job={job}"))["claims"]
    assert (batch["of_job"], batch["documents"], batch["closed_by"]) == (3, 3, "drained")
    assert len(body_of(client.get("/api/v1/claims"))["claims"]) == 2
    problem_of(client.get("/api/v1/claims?job=none"), 404, "job-not-found")
    assert "nothing more waited" in client.get(f"/jobs/{job}").text
    assert "nothing more waited" in client.get(f"/jobs/{job}/batches").text


def test_a_key_for_one_collection_sees_no_batches(tmp_path: Path) -> None:
    with Installation.open(tmp_path, admin_key=KEY) as lamina:
        admin = lamina.client(key=KEY)
        body = {"name": "bound", "scope": "write", "collections": ["c"]}
        made = body_of(admin.post("/api/v1/keys", json=body))
        documents = {"documents": [{"id": "a", "text": "a text"}]}
        sent = body_of(admin.post("/api/v1/collections/c/documents", json=documents))
        lamina.index_all()
        job = sent["job"]["id"]
        bound = lamina.client(key=made["key"])

        assert "Batches" not in bound.get(f"/jobs/{job}").text
        assert bound.get(f"/jobs/{job}/batches").status_code == 403
        assert body_of(bound.post(f"/api/v1/jobs/{job}/retry", json={}))["retried"] == 0
        assert "Batches" in admin.get(f"/jobs/{job}").text


def test_the_command_line_retries_shows_batches_and_lists_by_time(
    lamina: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = httpx.WSGITransport(app=lamina.app)
    monkeypatch.setattr(
        configuration,
        "connect",
        lambda: Client(httpx.Client(transport=transport, base_url="http://127.0.0.1")),
    )
    job, terminal = fail(lamina, 3), CliRunner()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")

    assert job in terminal.invoke(app, ["jobs", "--until", tomorrow]).output
    assert job not in terminal.invoke(app, ["jobs", "--since", tomorrow]).output
    assert "drained" in terminal.invoke(app, ["jobs", "batches", job]).output
    one = terminal.invoke(app, ["jobs", "retry", job, "--document", "d1"])
    assert one.output == "1 document will be indexed again\n"
    rest = terminal.invoke(app, ["jobs", "retry", job])
    assert rest.output == "2 documents will be indexed again\n"
