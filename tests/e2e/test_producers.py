"""Other apps push to the queue with what they have; none of them knows Lamina's code."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.e2e.client import PATIENCE_SECONDS, Client
from tests.e2e.conftest import need_program
from tests.golden.malformed import MALFORMED, envelope

QUEUE = "lamina.submit"
SOURCE = f"queue:{QUEUE}"
FOUND_SECONDS = 30.0
CELERY = "celery[redis]==5.5.3"  # not the version that Lamina has
CELERY_NODE = "celery-node@0.5.9"

pytestmark = pytest.mark.timeout(400)

CELERY_SCRIPT = """
import json, sys
from celery import Celery

app = Celery(broker=sys.argv[1])
sent = app.send_task("lamina.submit.v1", kwargs=json.loads(sys.argv[2]), queue="lamina.submit")
print(sent.id)
"""

KOMBU_SCRIPT = """
import json, sys
from kombu import Connection

with Connection(sys.argv[1]) as connection, connection.SimpleQueue("lamina.submit") as queue:
    queue.put(json.loads(sys.argv[2]))
"""

KOMBU_PRODUCER_SCRIPT = """
import json, sys
from kombu import Connection

with Connection(sys.argv[1]) as connection, connection.Producer() as producer:
    producer.publish(json.loads(sys.argv[2]), routing_key="lamina.submit", serializer="json")
"""

REDIS_SCRIPT = """
import sys
import redis

with redis.Redis.from_url(sys.argv[1]) as client:
    client.lpush("lamina.submit", sys.argv[2])
"""

NODE_SCRIPT = """
const celery = require("celery-node");
const [broker, payload] = process.argv.slice(2);
const client = celery.createClient(broker, broker);
client.conf.CELERY_QUEUE = "lamina.submit";
client.sendTask("lamina.submit.v1", [], JSON.parse(payload));
client.isReady().then(() => client.disconnect());
"""


@pytest.fixture(scope="module")
def foreign_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python whose environment holds Celery with Redis, and nothing of Lamina."""
    folder = tmp_path_factory.mktemp("producer") / "venv"
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    run(uv, "pip", "install", "--quiet", "--python", python, CELERY)
    return python


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where Node finds celery-node."""
    need_program("node")
    npm = need_program("npm")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    run(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", CELERY_NODE, cwd=folder)
    return folder


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program to its end; return what it printed."""
    names = ("PYTHONPATH", "VIRTUAL_ENV")
    done = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in names},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, f"{done.args[:3]} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


def payload(key: str | None, document: str, text: str) -> str:
    message: dict[str, Any] = {
        "collection": "default",
        "documents": [{"id": document, "text": text, "metadata": {"sent": "by queue"}}],
    }
    return json.dumps(message | ({"key": key} if key else {}))


def wait_for_receipt(client: Client, key: str) -> Mapping[str, Any]:
    """Return the newest receipt of a key."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := client.http.get(f"/receipts/{key}")).status_code == 404:
        assert time.monotonic() < deadline, f"there is no receipt for {key}"
        time.sleep(0.02)
    found: Mapping[str, Any] = answer.json()
    assert found["key"] == key
    assert found["status"] == found["receipts"][0]["status"]
    newest: Mapping[str, Any] = found["receipts"][0]
    return newest


def assert_found(client: Client, key: str, document: str, query: str) -> None:
    """Assert that what was pushed just now is accepted and soon found."""
    began = time.monotonic()
    receipt = wait_for_receipt(client, key)
    assert receipt["status"] == "accepted", receipt
    assert (receipt["collection"], receipt["source"]) == ("default", SOURCE)
    answer = client.search("default", query, after=receipt["job"]["id"])
    assert time.monotonic() - began < FOUND_SECONDS
    assert answer["after"]["done"]
    best = answer["hits"][0]
    assert (best["id"], best["metadata"]) == (document, {"sent": "by queue"})


@pytest.mark.parametrize(
    ("name", "script", "text", "query"),
    [
        (
            "celery",
            CELERY_SCRIPT,
            "Invoices are paid within thirty days of their date.",
            "when is a bill due",
        ),
        (
            "kombu-queue",
            KOMBU_SCRIPT,
            "The swimming pool is closed for repairs until May.",
            "can I go for a swim",
        ),
        (
            "kombu-producer",
            KOMBU_PRODUCER_SCRIPT,
            "Dogs must be kept on a leash in the park.",
            "rules for pets outdoors",
        ),
        (
            "redis",
            REDIS_SCRIPT,
            "The last train to the airport leaves at midnight.",
            "late night transport to my flight",
        ),
    ],
    ids=["celery", "kombu-queue", "kombu-producer", "redis"],
)
def test_what_a_python_producer_pushes_is_found(
    client: Client,
    producer_url: str,
    foreign_python: Path,
    tmp_path: Path,
    name: str,
    script: str,
    text: str,
    query: str,
) -> None:
    message = payload(f"key-of/{name}", name, text)

    run(foreign_python, "-I", "-c", script, producer_url, message, cwd=tmp_path)

    assert_found(client, f"key-of/{name}", name, query)


def test_the_producers_python_holds_nothing_of_lamina(foreign_python: Path, tmp_path: Path) -> None:
    script = "import celery, importlib.util as u; print(u.find_spec('shared'), celery.__version__)"

    assert run(foreign_python, "-I", "-c", script, cwd=tmp_path) == "None 5.5.3\n"


def test_a_celery_message_without_a_key_is_known_by_its_task_id(
    client: Client, producer_url: str, foreign_python: Path, tmp_path: Path
) -> None:
    message = payload(None, "keyless", "Parcels are kept at the post office for a week.")

    task = run(foreign_python, "-I", "-c", CELERY_SCRIPT, producer_url, message, cwd=tmp_path)

    assert_found(client, f"message:{task.strip()}", "keyless", "where to collect a package")


def test_what_a_node_producer_pushes_is_found(
    client: Client, producer_url: str, node_folder: Path
) -> None:
    text = "Mushrooms may be picked in the forest for one's own kitchen."
    (node_folder / "send.js").write_text(NODE_SCRIPT, encoding="utf-8")

    run("node", "send.js", producer_url, payload("node-key", "node", text), cwd=node_folder)

    assert_found(client, "node-key", "node", "gathering wild food")


@pytest.fixture
def producer(producer_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(producer_url) as connected:
        yield connected


def test_a_key_sent_again_with_other_content_is_rejected_and_says_why(
    client: Client, producer: redis.Redis
) -> None:
    producer.lpush(QUEUE, payload("twice", "twice", "what was said first"))
    first = wait_for_receipt(client, "twice")
    producer.lpush(QUEUE, payload("twice", "twice", "what was said later"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (second := wait_for_receipt(client, "twice"))["status"] != "rejected":
        assert time.monotonic() < deadline
        time.sleep(0.02)

    client.finish(first["job"]["id"])
    assert second["reason"] == "key-reused"
    assert client.get("/collections/default/documents/twice")["text"] == "what was said first"


def test_twenty_malformed_messages_are_kept_and_the_next_good_one_is_taken(
    client: Client, producer: redis.Redis
) -> None:
    newest = max((one["id"] for one in client.get("/rejections")["rejections"]), default=0)
    for raw, _ in MALFORMED.values():
        producer.lpush(QUEUE, raw)
    good = json.loads(payload("good-one", "good-one", "A rainbow appears opposite the sun."))
    producer.lpush(QUEUE, json.dumps({"task": "lamina.submit.v1", "kwargs": good}))

    receipt = wait_for_receipt(client, "good-one")

    kept = client.get("/rejections", limit=100)["rejections"]
    kept = [one for one in reversed(kept) if one["id"] > newest]
    assert len(MALFORMED) == 20
    assert [(one["reason"], one["raw"]) for one in kept] == [
        (reason, raw[:8000].decode(errors="replace")[:2000]) for raw, reason in MALFORMED.values()
    ]
    assert all(one["detail"] and one["source"] == SOURCE for one in kept)
    answer = client.search("default", "colours in the sky", after=receipt["job"]["id"])
    assert answer["hits"][0]["id"] == "good-one"
    assert producer.llen(QUEUE) == 0


def test_an_unknown_collection_is_told_to_the_producer(
    client: Client, producer: redis.Redis
) -> None:
    documents = [{"text": "nowhere to go"}]
    message = {"collection": "no-such", "key": "lost", "documents": documents}
    producer.lpush(QUEUE, json.dumps(message))

    receipt = wait_for_receipt(client, "lost")

    assert (receipt["status"], receipt["reason"]) == ("rejected", "no-such-collection")
    assert "no-such" in receipt["detail"]


FORBIDDEN: Mapping[str, Callable[[Any], object]] = {
    "RPOP": lambda client: client.rpop(QUEUE),
    "BRPOP": lambda client: client.brpop([QUEUE], timeout=1),
    "LRANGE": lambda client: client.lrange(QUEUE, 0, -1),
    "LINDEX": lambda client: client.lindex(QUEUE, 0),
    "DEL": lambda client: client.delete(QUEUE),
    "RENAME": lambda client: client.rename(QUEUE, "mine"),
    "another queue": lambda client: client.lpush("lamina.index", "x"),
    "another key": lambda client: client.set("x", "y"),
    "KEYS": lambda client: client.keys(),
    "SCAN": lambda client: client.scan(),
    "FLUSHALL": lambda client: client.flushall(),
    "FLUSHDB": lambda client: client.flushdb(),
    "PUBLISH": lambda client: client.publish("x", "y"),
    "CONFIG": lambda client: client.config_get("*"),
    "ACL": lambda client: client.acl_list(),
    "EVAL": lambda client: client.eval("return 1", 0),
    "MONITOR": lambda client: client.execute_command("MONITOR"),
    "SHUTDOWN": lambda client: client.execute_command("SHUTDOWN", "NOSAVE"),
    "CLIENT KILL": lambda client: client.execute_command("CLIENT", "KILL", "TYPE", "normal"),
}


@pytest.mark.parametrize("command", FORBIDDEN)
def test_a_producer_may_do_nothing_but_push(producer: redis.Redis, command: str) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        FORBIDDEN[command](producer)


def test_a_client_without_a_password_is_refused(producer_url: str) -> None:
    address = producer_url.rpartition("@")[2]
    with (
        redis.Redis.from_url(f"redis://{address}") as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.lpush(QUEUE, payload(None, "x", "x"))


def test_a_message_in_an_envelope_with_arguments_is_taken(
    client: Client, producer: redis.Redis
) -> None:
    producer.lpush(QUEUE, envelope(message_id="with-arguments"))  # its collection is `c`

    receipt = wait_for_receipt(client, "message:with-arguments")

    assert (receipt["collection"], receipt["reason"]) == ("c", "no-such-collection")
