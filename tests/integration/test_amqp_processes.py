"""The intake as a process on RabbitMQ: killed anywhere, its broker killed, two of them at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import amqp
import pytest
from kombu import Connection

from tests.golden.malformed import envelope
from tests.rabbit_server import RabbitServer
from tests.worker_process import WorkerProcess, wait_until
from tests.worlds import World

QUEUE = "lamina.submit"
SIGKILLED = -signal.SIGKILL
NODE_LIBRARY = "amqplib@0.10.4"

pytestmark = pytest.mark.timeout(300)

KEYLESS = 40
PUSHED = 60

NODE_SCRIPT = """
const amqp = require("amqplib");
const [url, payload] = process.argv.slice(2);
(async () => {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  const place = "lamina.reply.orders.node";
  await channel.assertQueue(place, {exclusive: true, durable: false});
  channel.publish("lamina.submit", "lamina.submit", Buffer.from(payload), {messageId: "node-1"});
  const body = Buffer.from(JSON.stringify([[], JSON.parse(payload), {}]));
  channel.publish("lamina.submit", "lamina.submit", body, {
    contentType: "application/json",
    contentEncoding: "utf-8",
    headers: {task: "lamina.submit.v1", id: "node-2"},
  });
  await channel.waitForConfirms();
  let left = 2;
  await new Promise((done) => channel.consume(place, (reply) => {
    console.log(reply.content.toString());
    if (!--left) done();
  }, {noAck: true}));
  await connection.close();
})();
"""


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Iterator[World]:
    """The world whose catalog the processes use, too."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def intake(world: World, rabbit: RabbitServer, *, name: str = "0", fail_at: str = "") -> Any:
    process = WorkerProcess(
        "intake",
        world.folder,
        rabbit.lamina_url,
        LAMINA_DATABASE_URL=world.claims._database.url.render_as_string(hide_password=False),
        LAMINA_FAIL_AT=fail_at,
    )
    return process.start("--name", name)


def push(text: str, **changes: object) -> bytes:
    return json.dumps({"collection": "c", "documents": [{"text": text}]} | changes).encode()


def send(rabbit: RabbitServer, bodies: Sequence[bytes], **properties: Any) -> None:
    """Publish with confirms, as an app."""
    with Connection(rabbit.producer_url) as connection:
        channel: Any = connection.channel()
        for body in bodies:
            message = amqp.Message(body, **properties)
            channel.basic_publish_confirm(message, exchange=QUEUE, routing_key=QUEUE, timeout=10)


def waiting(world: World) -> int:
    return world.reading.waiting(world.collection.id)


def open_receipts(world: World) -> list[Path]:
    return list((world.folder / "receipts").glob("*"))


def declare(world: World, rabbit: RabbitServer) -> None:
    """Let an intake make the queue."""
    with intake(world, rabbit) as first:
        first.wait_until_ready()
        wait_until(lambda: _exists(rabbit))
        assert first.stop() == 0


def _exists(rabbit: RabbitServer) -> bool:
    with rabbit.connect() as connection:
        channel: Any = connection.channel()
        try:
            channel.exchange_declare(QUEUE, "fanout", passive=True)
        except connection.channel_errors:
            return False
        return True


def test_a_kill_at_any_point_neither_loses_nor_doubles(home: World, rabbit: RabbitServer) -> None:
    declare(home, rabbit)
    send(rabbit, [push("no key"), push("no key"), push("keyed", key="k"), b"nonsense"])
    send(rabbit, [push("named")], message_id="n")
    for point in ("intake.moved", "intake.committed"):
        with intake(home, rabbit, fail_at=point) as killed:
            assert killed.wait(seconds=60) == SIGKILLED

    with intake(home, rabbit) as again:
        wait_until(lambda: again.said.count("messages_taken") >= 1)
        wait_until(lambda: waiting(home) == 4 and not open_receipts(home))
        assert again.stop() == 0
    assert rabbit.waiting(QUEUE) == 0
    assert waiting(home) == 4
    assert len(home.refused()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_broker_that_is_killed_with_messages_in_flight_loses_and_doubles_none(
    home: World, rabbit: RabbitServer
) -> None:
    declare(home, rabbit)
    send(rabbit, [push(f"text {number}") for number in range(PUSHED)])
    send(rabbit, [push("equal")] * KEYLESS)
    with intake(home, rabbit, fail_at="intake.moved:1") as victim:
        assert victim.wait(seconds=60) == SIGKILLED
    with intake(home, rabbit) as survivor:
        wait_until(lambda: waiting(home) > 0)
        rabbit.kill()
        rabbit.start()
        send(rabbit, [push("after", key="after")])
        wait_until(lambda: home.inbox.receipts("after"))
        wait_until(lambda: waiting(home) >= PUSHED + KEYLESS + 1)
        wait_until(lambda: not open_receipts(home))
        assert "intake_goes_on" in survivor.said
        assert survivor.said.count("intake_delayed") == 1
        assert survivor.stop() == 0
    assert waiting(home) == PUSHED + KEYLESS + 1
    assert rabbit.waiting(QUEUE) == 0


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_two_intakes_of_which_one_is_killed_lose_and_double_nothing(
    home: World, rabbit: RabbitServer
) -> None:
    declare(home, rabbit)
    with ExitStack() as stack:
        victim = stack.enter_context(intake(home, rabbit, name="1", fail_at="intake.committed:3"))
        other = stack.enter_context(intake(home, rabbit, name="2"))
        victim.wait_until_ready()
        other.wait_until_ready()
        sent = 0
        while not victim.ended:
            send(rabbit, [push("equal"), push("equal"), push(f"text {sent}")])
            sent += 3
            assert sent < 1000, "the victim was given nothing"
        assert victim.wait() == SIGKILLED
        wait_until(lambda: waiting(home) >= sent and not open_receipts(home))
        assert other.stop() == 0
    assert waiting(home) == sent
    assert rabbit.waiting(QUEUE) == 0


def test_what_node_pushes_is_taken_and_answered(
    home: World, rabbit: RabbitServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have npm")
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    (folder / "send.js").write_text(NODE_SCRIPT, encoding="utf-8")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", NODE_LIBRARY]
    subprocess.run(install, cwd=folder, check=True, timeout=120, stdout=subprocess.DEVNULL)
    with intake(home, rabbit) as process:
        process.wait_until_ready()
        wait_until(lambda: _exists(rabbit))
        rabbit.let_fetch_replies()
        payload = push("from node", reply_to="orders.node").decode()
        command = ["node", "send.js", rabbit.producer_url, payload]
        sent = subprocess.run(command, cwd=folder, check=True, timeout=60, stdout=subprocess.PIPE)
        assert waiting(home) == 2, "a reply comes after the commit"
        assert process.stop() == 0
    rabbit.give_rights()
    replies = {one["key"]: one for one in map(json.loads, sent.stdout.splitlines())}
    for name in ("message:node-1", "message:node-2"):
        (receipt,) = home.inbox.receipts(name)
        assert (receipt.status, receipt.job_id) == ("accepted", replies[name]["job_id"])


def test_an_intake_of_an_unknown_broker_says_so_and_ends(tmp_path: Path) -> None:
    with WorkerProcess("intake", tmp_path, "sqs://somewhere") as process:
        assert process.wait() == 2
    assert "amqp://" in process.said


@pytest.mark.slow
def test_a_message_of_celery_over_amqp_is_taken_as_the_readme_shows(
    home: World, rabbit: RabbitServer
) -> None:
    declare(home, rabbit)
    script = README_SCRIPT.replace("URL", rabbit.producer_url)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    send(rabbit, [envelope()])
    with intake(home, rabbit) as process:
        wait_until(lambda: waiting(home) == 2)
        assert process.stop() == 0


README_SCRIPT = """
from celery import Celery

app = Celery(broker="URL")
app.conf.broker_transport_options = {"confirm_publish": True}
app.send_task(
    "lamina.submit.v1",
    exchange="lamina.submit",
    routing_key="lamina.submit",
    declare=(),
    kwargs={"collection": "c", "documents": [{"id": "a2", "text": "The sea falls back."}]},
)
"""
