"""Past a set backlog nothing more is taken, by no door, until workers have caught up."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import amqp
import httpx
import pytest
import redis
from kombu import Connection

from shared.cli import adding
from shared.cli.jsonlines import Line
from shared.cli.sending import Batch, Sender
from shared.cli.waiting import Tracker
from shared.client import Client
from shared.transfer.foreign import Consignment, import_rows
from shared.waiting.admission import GuardedInbox
from shared.waiting.backlog import Backlog
from tests.archives import dock_of, silent
from tests.fakes.encoder import FakeEncoders
from tests.rabbit_server import RabbitServer
from tests.redis_server import RedisServer
from tests.unit.web.installation import QUICK_LIMITS, Installation, problem_of
from tests.worker_process import WorkerProcess, wait_until
from tests.worlds import LIMITS, World

QUEUE = "lamina.submit"
MESSAGES = 20_000
BACKLOG = 400
BATCH = 200  # messages that an intake takes at once
FLAT_BYTES = 40 * 1024 * 1024
"""How much an intake may grow while messages wait; 20,000 of these alone are 20 MB, and several
times that as Python objects."""
FILLER = "x" * 1000


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, limits={**QUICK_LIMITS, "backlog": 10}) as opened:
        yield opened


def post(lamina: Installation, *ids: str, lane: str = "interactive", **headers: str) -> Any:
    return lamina.client().post(
        f"/api/v1/collections/c/documents?lane={lane}",
        json={"documents": [{"id": one, "text": f"text of {one}"} for one in ids]},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def fill(lamina: Installation) -> None:
    """Let as many documents wait as may."""
    assert post(lamina, *(f"d{number}" for number in range(10))).status_code == 202


def test_the_api_answers_429_with_retry_after_and_goes_on_by_itself(
    lamina: Installation,
) -> None:
    fill(lamina)

    refused = post(lamina, "late")
    problem = problem_of(refused, 429, "overloaded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 300
    assert "10 documents wait and 10 may (LAMINA_LIMITS_BACKLOG)" in problem["detail"]
    assert lamina.services.records.jobs(limit=5)[0].total == 10
    assert lamina.search("text")["hits"] == []

    lamina.index_all()
    end = time.monotonic() + 10
    while (again := post(lamina, "late")).status_code == 429:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert again.status_code == 202


def test_bulk_is_refused_first_and_a_person_still_gets_in(lamina: Installation) -> None:
    assert post(lamina, *(f"d{number}" for number in range(9)), lane="bulk").status_code == 202

    problem = problem_of(post(lamina, "more", lane="bulk"), 429, "overloaded")

    assert "the last of 10 are kept for the interactive lane" in problem["detail"]
    assert post(lamina, "mine").status_code == 202


def test_deletes_wait_like_anything_else(lamina: Installation) -> None:
    fill(lamina)

    response = lamina.client().delete("/api/v1/collections/c/documents/d1")

    problem_of(response, 429, "overloaded")
    assert lamina.services.records.document("c", "d1").kind == "put"


def test_a_lost_answer_is_given_again_though_too_much_waits(lamina: Installation) -> None:
    ids = [f"d{number}" for number in range(10)]
    first = post(lamina, *ids, Idempotency_Key="k")

    again = post(lamina, *ids, Idempotency_Key="k")

    assert again.status_code == 202
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json["job"] == first.json["job"]
    problem_of(post(lamina, "other", Idempotency_Key="k"), 409, "key-reused")


def test_the_form_keeps_what_was_typed_and_says_when_to_try_again(lamina: Installation) -> None:
    fill(lamina)
    client = lamina.client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/add").text)
    assert token is not None
    typed = {
        "collection": "c",
        "title": "My title",
        "text": "A long thought",
        "id": "",
        "metadata": "",
    }

    refused = client.post("/add", data={**typed, "csrf_token": token[1]})

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert "A long thought" in refused.text
    assert 'value="My title"' in refused.text
    assert "Too much is waiting to be indexed" in refused.text


def test_the_command_line_waits_as_long_as_it_is_told_and_sends_all(lamina: Installation) -> None:
    fill(lamina)
    pauses: list[float] = []

    def rest(seconds: float) -> None:
        pauses.append(seconds)
        lamina.index_all()
        time.sleep(0.2)  # the answer is the same for a second

    transport = httpx.WSGITransport(app=lamina.app)
    http = httpx.Client(transport=transport, base_url="http://127.0.0.1")
    sender = Sender(client=Client(http), collection="c", lane="bulk", run="r", pause=rest)
    line = Line("f:1", json.dumps({"id": "late", "text": "patience"}).encode())

    (sent,) = sender.send(Batch((line,)))

    assert sent.documents == 1
    assert pauses
    assert all(1 <= pause <= 300 for pause in pauses)
    lamina.index_all()
    assert lamina.search("patience")["hits"][0]["id"] == "late"


def test_an_import_waits_until_workers_have_made_room(tmp_path: Path, world: World) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"id": "r{n}", "text": "row {n}"}}\n' for n in range(1200)))
    waits: list[float] = []

    def rest(seconds: float) -> None:
        waits.append(seconds)
        world.index_all()
        time.sleep(0.2)  # the answer is the same for a second

    backlog = Backlog(world.waiting, world.forecast, 10)
    inbox = GuardedInbox(world.inbox, world.bench.room, backlog)
    done = import_rows(
        replace(dock_of(world), inbox=inbox, sleep=rest),
        world.bell,
        FakeEncoders(world.encoder),
        world.collections.get("c"),
        Consignment(path=rows),
        limits=LIMITS,
        step=silent,
    )

    assert sum(done.counts.values()) == 1200
    assert len(waits) >= 2
    assert world.waiting.count(2000) == 200


def test_the_command_line_says_that_it_waits_and_goes_on_looking(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def answer(_request: httpx.Request) -> httpx.Response:
        looks.append(now)
        stages = {"first_loaded_at": None}
        job = {"finished": False, "version": None, "stages": stages, "eta_seconds": 90.0}
        return httpx.Response(200, json=job | {"counts": {"pending": 5}})

    looks: list[float] = []
    monkeypatch.setattr("shared.cli.adding.time.monotonic", lambda: now)
    monkeypatch.setattr("shared.cli.adding.time.sleep", sleep)
    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://lamina.test")
    tracker = Tracker(Client(http), "c")
    tracker.add("job", 5)
    watch = adding._Watch(tracker, None, follow=True)

    watch.rest(12.0)
    watch.rest(12.0)

    assert now == pytest.approx(124.0)
    assert len(looks) > 10
    said = capsys.readouterr().err
    assert said.count("Lamina takes nothing more just now; trying again in 12 s.") == 1


@dataclass
class Growth:
    """How much memory a process took since it was first looked at."""

    process: WorkerProcess
    seen: list[int] = field(default_factory=list)

    def look(self) -> None:
        self.seen.append(self.process.resident_bytes)

    @property
    def bytes(self) -> int:
        return max(self.seen) - self.seen[0]


def waiting(world: World) -> int:
    return world.reading.waiting(world.collection.id)


def has_queue(rabbit: RabbitServer) -> bool:
    with rabbit.connect() as connection:
        channel: Any = connection.channel()
        try:
            channel.exchange_declare(QUEUE, "fanout", passive=True)
        except connection.channel_errors:
            return False
        return True


def push(number: int) -> bytes:
    document = {"id": f"m{number}", "text": f"{FILLER} {number}"}
    return json.dumps({"collection": "c", "documents": [document]}).encode()


@pytest.mark.slow
def test_an_intake_stops_taking_from_redis_stays_small_and_goes_on_by_itself(
    tmp_path: Path, server: RedisServer, client: redis.Redis, world: World
) -> None:
    with WorkerProcess(
        "intake", tmp_path, server.url, LAMINA_LIMITS_BACKLOG=str(BACKLOG)
    ) as intake:
        intake.wait_until_ready()
        growth = Growth(intake)
        growth.look()
        for start in range(0, MESSAGES, 1000):
            client.lpush(QUEUE, *(push(start + number) for number in range(1000)))
        wait_until(lambda: "intake_delayed" in intake.said)
        growth.look()
        taken = waiting(world)

        assert 0.9 * BACKLOG <= taken < 0.9 * BACKLOG + BATCH
        assert client.llen(QUEUE) == MESSAGES - taken
        world.index_all()
        wait_until(lambda: "intake_goes_on" in intake.said and waiting(world) > 0)
        growth.look()
        assert growth.bytes < FLAT_BYTES, "[flat] the intake grew with what waits"
        assert intake.stop() == 0
    accepted = waiting(world) + len(world.live_documents())
    assert client.llen(QUEUE) == MESSAGES - accepted
    assert world.refused() == []
    assert set(world.live_documents().values()) == {1}


@pytest.mark.slow
def test_an_intake_gives_back_what_it_may_not_take_from_rabbitmq(
    tmp_path: Path, rabbit: RabbitServer, world: World
) -> None:
    with WorkerProcess(
        "intake", tmp_path, rabbit.lamina_url, LAMINA_LIMITS_BACKLOG=str(BACKLOG)
    ) as intake:
        intake.wait_until_ready()
        wait_until(lambda: has_queue(rabbit))
        growth = Growth(intake)
        growth.look()
        with Connection(rabbit.producer_url) as connection:
            channel: Any = connection.channel()
            for number in range(MESSAGES // 10):
                message = amqp.Message(push(number), message_id=str(number))
                channel.basic_publish(message, exchange=QUEUE, routing_key=QUEUE)
            last = amqp.Message(push(MESSAGES), message_id="last")
            channel.basic_publish_confirm(last, exchange=QUEUE, routing_key=QUEUE, timeout=60)
        wait_until(lambda: "intake_delayed" in intake.said)
        growth.look()
        taken = waiting(world)

        assert 0.9 * BACKLOG <= taken < 0.9 * BACKLOG + BATCH
        # All of them ready: none is held by an intake that could not store it.
        wait_until(lambda: rabbit.waiting(QUEUE) == MESSAGES // 10 + 1 - taken)
        world.index_all()
        wait_until(lambda: "intake_goes_on" in intake.said and waiting(world) > 0)
        growth.look()
        assert growth.bytes < FLAT_BYTES, "[flat] the intake grew with what waits"
        assert intake.stop() == 0
    accepted = waiting(world) + len(world.live_documents())
    assert rabbit.waiting(QUEUE) == MESSAGES // 10 + 1 - accepted
    assert world.refused() == []
    assert set(world.live_documents().values()) == {1}
