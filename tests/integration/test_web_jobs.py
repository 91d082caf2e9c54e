"""Jobs over HTTP: when they are done, why they wait, and cancelling them."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from shared.cli import configuration
from shared.cli.commands import app
from shared.client import Client
from shared.domain import Condition, State
from shared.errors import BrokerUnavailable
from shared.queue import BrokerMessages
from tests.rabbit_server import RabbitServer
from tests.redis_server import RedisServer
from tests.unit.web.installation import Installation, body_of, problem_of

QUEUE = "lamina.submit"


@pytest.fixture
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation.open(tmp_path_factory.mktemp("jobs")) as opened:
        yield opened


def get(lamina: Installation, path: str) -> dict[str, Any]:
    response = lamina.client().get(f"/api/v1{path}")
    assert response.status_code == 200, response.text
    return body_of(response)


def cancel(lamina: Installation, job: str) -> dict[str, Any]:
    response = lamina.client().post(f"/api/v1/jobs/{job}/cancel", json={})
    assert response.status_code == 200, response.text
    return body_of(response)


def codes(found: dict[str, Any]) -> list[str]:
    return [one["code"] for one in found["reasons"]]


def employ(lamina: Installation, **condition: Any) -> None:
    """Let an index worker be alive."""
    card = lamina.encoder.card
    said = Condition(schema="0003", encoders=(card.fingerprint,), **condition)
    lamina.services.roster.beat("host:1", "index", said)


def add(lamina: Installation, count: int, prefix: str = "d") -> str:
    """Hand in so many documents; return the job."""
    return lamina.add(*({"id": f"{prefix}{n}", "text": f"text {n}"} for n in range(count)))


def take(lamina: Installation, documents: int = 100) -> None:
    """Let a worker hold documents."""
    claim = lamina.services.claims.claim(
        "host:1",
        fingerprints=[lamina.encoder.card.fingerprint],
        max_lane=2,
        max_characters=10**6,
        max_documents=documents,
        lease_seconds=30,
    )
    assert claim is not None


def test_a_job_tells_when_it_will_be_done_once_something_was_measured(
    lamina: Installation,
) -> None:
    first = add(lamina, 5, "a")
    assert get(lamina, f"/jobs/{first}")["eta_seconds"] is None
    lamina.index_all()
    assert get(lamina, f"/jobs/{first}")["eta_seconds"] is None

    employ(lamina)
    lamina.services.forecast._pace.forget()
    lamina.services.forecast._outline.forget()
    second = add(lamina, 10, "b")
    shown = get(lamina, f"/jobs/{second}")

    estimate = shown["estimate"]
    assert shown["eta_seconds"] == estimate["seconds"] >= 0
    assert estimate["workers"] == 1
    assert estimate["documents"] == 10
    assert estimate["tokens_per_second"] > 0
    listed = {one["id"]: one["eta_seconds"] for one in get(lamina, "/jobs")["jobs"]}
    assert listed[first] is None
    assert listed[second] is not None


def test_cancelling_a_job_leaves_what_a_worker_holds(lamina: Installation) -> None:
    job = add(lamina, 10)
    take(lamina, 4)

    done = cancel(lamina, job)

    assert (done["cancelled"], done["under_way"]) == (6, 4)
    assert done["job"]["counts"]["cancelled"] == 6
    assert done["job"]["cancelled_at"]
    assert not done["job"]["finished"]
    again = cancel(lamina, job)
    assert (again["cancelled"], again["under_way"]) == (0, 4)
    assert again["job"]["cancelled_at"] == done["job"]["cancelled_at"]


def test_cancelling_a_finished_job_changes_nothing(lamina: Installation) -> None:
    job = add(lamina, 2)
    lamina.index_all()

    done = cancel(lamina, job)

    assert (done["cancelled"], done["under_way"]) == (0, 0)
    assert done["job"]["counts"]["indexed"] == 2
    assert len(lamina.search("text")["hits"]) == 2


def test_what_is_cancelled_must_be_named_rightly(lamina: Installation) -> None:
    http = lamina.client()

    problem_of(http.post("/api/v1/jobs/nowhere/cancel", json={}), 404, "job-not-found")
    job = add(lamina, 1)
    wrong = http.post(f"/api/v1/jobs/{job}/cancel", json={"why": "not"})
    problem_of(wrong, 422, "invalid-request")
    assert get(lamina, f"/jobs/{job}")["cancelled_at"] is None


def test_jobs_are_listed_by_status(lamina: Installation) -> None:
    done = add(lamina, 1, "a")
    lamina.index_all()
    cancelled = add(lamina, 1, "b")
    cancel(lamina, cancelled)
    waiting = add(lamina, 1, "c")

    def listed(status: str) -> set[str]:
        return {one["id"] for one in get(lamina, f"/jobs?status={status}&collection=c")["jobs"]}

    assert listed("waiting") == {waiting}
    assert listed("done") == {done, cancelled}
    assert listed("cancelled") == {cancelled}
    assert listed("running") == listed("failed") == set()
    wrong = lamina.client().get("/api/v1/jobs?status=asleep")
    problem_of(wrong, 422, "invalid-request")


def test_a_waiting_job_tells_what_is_missing_and_then_its_place(lamina: Installation) -> None:
    add(lamina, 3, "before")
    job = add(lamina, 2)

    nobody = get(lamina, f"/jobs/{job}/why")
    assert codes(nobody) == ["no-worker", "waiting"]
    employ(lamina)
    well = get(lamina, f"/jobs/{job}/why")
    assert codes(well) == ["waiting"]
    assert well["reasons"][0]["sentence"].startswith("3 documents are before the first of its")
    employ(lamina, trouble="The disk is away.", trouble_seconds=5.0)
    ill = get(lamina, f"/jobs/{job}/why")
    assert codes(ill) == ["worker-trouble", "waiting"]
    assert "The disk is away." in ill["reasons"][0]["sentence"]


def test_a_held_job_tells_who_holds_it_with_times_as_the_api_writes_them(
    lamina: Installation,
) -> None:
    job = add(lamina, 2)
    take(lamina)

    (reason,) = get(lamina, f"/jobs/{job}/why")["reasons"]

    assert reason["code"] == "encoding"
    assert reason["details"]["worker"] == "host:1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", reason["details"]["lease_until"])


def test_a_document_tells_why_it_waits_and_how_it_ended(lamina: Installation) -> None:
    lamina.add({"id": "a/why", "text": "slashes"}, {"id": "b", "text": "other"})
    employ(lamina)
    where = "/why?collection=c&document=a/why"

    assert codes(get(lamina, where)) == ["waiting"]
    lamina.index_all()
    (reason,) = get(lamina, where)["reasons"]

    assert reason["sentence"] == "It is indexed, in version 1."
    missing = lamina.client().get("/api/v1/why?collection=c&document=never")
    problem_of(missing, 404, "document-not-found")


@pytest.mark.parametrize("query", ["", "?collection=c", "?document=a", "?key=k&document=a"])
def test_why_asks_for_one_thing(lamina: Installation, query: str) -> None:
    problem_of(lamina.client().get(f"/api/v1/why{query}"), 422, "invalid-request")


def test_a_key_tells_of_its_job_of_its_refusal_or_of_the_queue(lamina: Installation) -> None:
    http = lamina.client()
    sent = http.post(
        "/api/v1/collections/c/documents",
        json={"documents": [{"id": "a", "text": "t"}]},
        headers={"Idempotency-Key": "mine"},
    )
    assert sent.status_code == 202
    employ(lamina)

    assert codes(get(lamina, "/why?key=mine")) == ["waiting"]
    unseen = get(lamina, "/why?key=never")
    assert codes(unseen) == ["not-seen", "no-intake", "broker-away"]
    lamina.services.roster.beat("host:2", "intake", Condition(trouble="Too much waits."))
    assert codes(get(lamina, "/why?key=never")) == ["not-seen", "intake-trouble", "broker-away"]


def test_the_job_page_says_why_and_its_button_cancels(lamina: Installation) -> None:
    job = add(lamina, 3)
    http = lamina.client()
    page = http.get(f"/jobs/{job}").text
    assert "No index worker is alive" in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None

    refused = http.post(f"/jobs/{job}/cancel")
    assert refused.status_code == 400
    assert lamina.services.records.job(job).counts == {State.PENDING: 3}

    done = http.post(f"/jobs/{job}/cancel", data={"csrf_token": token[1]})
    assert done.status_code == 303
    shown = http.get(done.headers["Location"]).text
    assert "cancelled" in shown
    assert "Cancel what waits" not in shown
    assert "Why it waits" not in shown
    assert job[-8:] in http.get("/jobs").text


@pytest.fixture
def terminal(lamina: Installation, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A command line whose requests go to the application."""
    transport = httpx.WSGITransport(app=lamina.app)

    def connect() -> Client:
        return Client(httpx.Client(transport=transport, base_url="http://127.0.0.1"))

    monkeypatch.setattr(configuration, "connect", connect)
    return CliRunner()


def test_the_command_line_shows_cancels_and_explains_jobs(
    lamina: Installation, terminal: CliRunner
) -> None:
    job = add(lamina, 3)

    listed = terminal.invoke(app, ["jobs", "--status", "waiting", "-c", "c"])
    assert job in listed.output
    shown = terminal.invoke(app, ["jobs", job])
    assert f"{job}  c  waiting: 3 pending" in shown.output
    why = terminal.invoke(app, ["why", job])
    assert "No index worker is alive" in why.output
    of_document = terminal.invoke(app, ["why", "-c", "c", "--document", "d2", "--json"])
    assert '"documents_before": 2' in of_document.output
    cancelled = terminal.invoke(app, ["jobs", "cancel", job])
    assert cancelled.output == "3 documents cancelled\n"
    ended = terminal.invoke(app, ["why", job])
    assert ended.output == "All its 3 documents were cancelled before a worker took them.\n"
    assert job not in terminal.invoke(app, ["jobs", "--status", "waiting"]).output


def test_the_command_line_asks_for_one_thing(terminal: CliRunner) -> None:
    for words in ([], ["JOB", "--key", "k"]):
        done = terminal.invoke(app, ["why", *words])
        assert done.exit_code == 2


def test_messages_that_wait_in_redis_are_counted(server: RedisServer) -> None:
    messages = BrokerMessages(server.url, QUEUE)
    with server.client() as redis:
        redis.flushall()
        assert messages.waiting() == 0
        redis.lpush(QUEUE, b"a", b"b")
        redis.lpush(f"{QUEUE}\x06\x169", b"urgent")
    assert messages.waiting() == 3


def test_messages_that_wait_in_rabbitmq_are_counted(rabbit: RabbitServer) -> None:
    messages = BrokerMessages(rabbit.lamina_url, QUEUE)
    with pytest.raises(BrokerUnavailable, match="no queue"):
        messages.waiting()

    with rabbit.connect() as connection:
        channel: Any = connection.channel()
        arguments = {"x-queue-type": "quorum"}
        channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=arguments)
    assert messages.waiting() == 0


def test_a_broker_that_is_away_is_told_and_not_waited_for() -> None:
    for url in ("redis://127.0.0.1:1/0", "amqp://a:b@127.0.0.1:1//", ""):
        with pytest.raises(BrokerUnavailable):
            BrokerMessages(url, QUEUE).waiting()
