"""Other apps push to the queue with what they have; none of them knows Lamina's code."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.e2e.client import PATIENCE_SECONDS, Client
from tests.e2e.conftest import need_program
from tests.golden.malformed import MALFORMED, envelope
from tests.running import ROOT, RunningLamina

QUEUE = "lamina.submit"
SOURCE = f"queue:{QUEUE}"
FOUND_SECONDS = 30.0
CELERY = "celery[redis]==5.5.3"  # not the version that Lamina has
CELERY_TS = "celery-ts@1.2.3"
PAGE = Path(__file__).parents[2] / "docs" / "producers"

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

CELERY_TS_SCRIPT = """
const celery = require("celery-ts");
const [broker, task, payload] = process.argv.slice(2);
const client = celery.createClient({ brokerUrl: broker }); // a result backend wants to subscribe
const sent = client.createTask(task).applyAsync({
  args: [], kwargs: JSON.parse(payload), queue: "lamina.submit",
});
sent.get().catch(() => {}); // that there are no results
setTimeout(() => process.exit(0), 1500);
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
def celery_ts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where Node finds celery-ts."""
    need_program("node")
    npm = need_program("npm")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    run(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", CELERY_TS, cwd=folder)
    (folder / "send.js").write_text(CELERY_TS_SCRIPT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `docs/producers`, with a Python of its own in the folder `venv`."""
    folder = tmp_path_factory.mktemp("page") / "producers"
    shutil.copytree(PAGE, folder)
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--quiet", "--seed", "--python", sys.executable, folder / "venv")
    return folder


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Run a program to its end; return what it printed."""
    names = ("PYTHONPATH", "VIRTUAL_ENV")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env=inherited | environment,
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


@dataclass(frozen=True)
class Example:
    """What a command of the page does."""

    key: str
    document: str
    query: str = ""
    """A question that the document answers; empty where it is deleted."""


EXAMPLES: Mapping[str, Example] = {
    'python celery_submit.py "$BROKER"': Example(
        "celery-example", "from-celery", "when is a bill due"
    ),
    'python celery_delete.py "$BROKER"': Example("celery-example-gone", "from-celery"),
    'python kombu_submit.py "$BROKER"': Example(
        "kombu-example", "from-kombu", "can I go for a swim"
    ),
    'python reply.py "$BROKER"': Example("reply-example", "from-reply", "who tends the light"),
    'node reply.js "$BROKER"': Example(
        "node-reply-example", "from-node-reply", "volcanic rock shapes"
    ),
    'node celery_node.js "$BROKER"': Example("node-example", "from-node", "gathering wild food"),
    'go run submit.go "$BROKER"': Example(
        "go-example", "from-go", "late night transport to my flight"
    ),
    'python push.py "$BROKER" submit.json': Example(
        "plain-example", "from-plain-json", "rules for pets outdoors"
    ),
    'python push.py "$BROKER" delete.json': Example("plain-example-gone", "from-plain-json"),
    'redis-cli -u "$BROKER" -x LPUSH lamina.submit < submit.json': Example(
        "plain-example", "from-plain-json", "rules for pets outdoors"
    ),
    'redis-cli -u "$BROKER" -x LPUSH lamina.submit < delete.json': Example(
        "plain-example-gone", "from-plain-json"
    ),
    'sh redis_cli_celery.sh "$BROKER"': Example(
        "shell-example", "from-a-shell", "where to collect a package"
    ),
}
_PROGRAMS = {"python": "", "pip": "", "sh": "redis-cli"}
"""What a command needs besides itself; Python is in the copied folder."""


def read_page() -> Mapping[str, Sequence[str]]:
    """Return the commands of each section of the page."""
    text = (PAGE / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    found = {
        title: [
            line
            for block in re.findall(r"```sh\n(.*?)```", body, re.DOTALL)
            for line in block.splitlines()
        ]
        for title, body in zip(sections[::2], sections[1::2], strict=True)
    }
    return {title: lines for title, lines in found.items() if lines}


SECTIONS = read_page()


def test_every_command_and_every_file_of_the_page_is_tested() -> None:
    lines = [line for section in SECTIONS.values() for line in section]
    assert {line for line in lines if " install " not in line} == set(EXAMPLES)
    said = (PAGE / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in PAGE.iterdir() if path.is_file()}
    assert [name for name in files - {"README.md", "go.mod"} if name not in said] == []


def without_key(command: str, folder: Path) -> None:
    """Give the plain files a key of this command's own: two sections push the same files."""
    for name in ("submit.json", "delete.json"):
        if name in command and command.startswith("redis-cli"):
            text = (PAGE / name).read_text(encoding="utf-8")
            (folder / name).write_text(text.replace("plain-example", "cli-example"), "utf-8")


@pytest.mark.parametrize("section", SECTIONS)
def test_what_the_page_shows_is_found(
    client: Client, producer_url: str, page_folder: Path, section: str
) -> None:
    """Run a section of `docs/producers/README.md`, line by line, as it stands."""
    for command in SECTIONS[section]:
        program = command.split()[0]
        if needed := _PROGRAMS.get(program, program):
            need_program(needed)
        without_key(command, page_folder)
        path = f"{page_folder / 'venv' / 'bin'}:{os.environ['PATH']}"
        printed = run("sh", "-euc", command, cwd=page_folder, BROKER=producer_url, PATH=path)
        if " install " in command:
            continue
        expected = EXAMPLES[command]
        key = expected.key.replace("plain", "cli") if program == "redis-cli" else expected.key
        receipt = wait_for_receipt(client, key)
        assert receipt["status"] == "accepted", receipt
        if "reply" in command:
            assert printed == f"accepted {receipt['job']['id']}\n"
        client.finish(receipt["job"]["id"])
        if expected.query:
            assert best_of(client, receipt, expected.query)["id"] == expected.document
        else:
            gone = client.http.get(f"/collections/default/documents/{expected.document}")
            assert gone.status_code == 404


def best_of(client: Client, receipt: Mapping[str, Any], query: str) -> Mapping[str, Any]:
    """Return the best hit of a search that waits for the job of *receipt*."""
    answer = client.search("default", query, after=receipt["job"]["id"])
    assert answer["after"]["done"]
    best: Mapping[str, Any] = answer["hits"][0]
    return best


@pytest.mark.parametrize(
    ("name", "script", "text", "query"),
    [
        ("celery", CELERY_SCRIPT, "Cheese ripens in a cool cellar.", "how to age dairy"),
        ("kombu-queue", KOMBU_SCRIPT, "Bees dance to show the way.", "insects that signal"),
    ],
    ids=["celery", "kombu-queue"],
)
def test_what_an_older_python_producer_pushes_is_found(
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
    message = payload(None, "keyless", "Lightning heats the air, and so it thunders.")

    task = run(foreign_python, "-I", "-c", CELERY_SCRIPT, producer_url, message, cwd=tmp_path)

    assert_found(client, f"message:{task.strip()}", "keyless", "why storms are loud")


def test_what_celery_ts_pushes_is_found_and_deleted(
    client: Client, producer_url: str, celery_ts: Path
) -> None:
    text = "Glaciers carve valleys into the shape of a U."
    submission = payload("ts-key", "ts", text)
    run("node", "send.js", producer_url, "lamina.submit.v1", submission, cwd=celery_ts)
    assert_found(client, "ts-key", "ts", "how ice forms a landscape")

    deletion = json.dumps({"collection": "default", "key": "ts-gone", "ids": ["ts"]})
    run("node", "send.js", producer_url, "lamina.delete.v1", deletion, cwd=celery_ts)

    client.finish(wait_for_receipt(client, "ts-gone")["job"]["id"])
    assert client.http.get("/collections/default/documents/ts").status_code == 404


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
    refused = client.get("/dead-letters", kind="message", limit=1000)["dead_letters"]
    known = {one["id"] for one in refused}
    for raw, _ in MALFORMED.values():
        producer.lpush(QUEUE, raw)
    good = json.loads(payload("good-one", "good-one", "A rainbow appears opposite the sun."))
    producer.lpush(QUEUE, json.dumps({"task": "lamina.submit.v1", "kwargs": good}))

    receipt = wait_for_receipt(client, "good-one")

    refused = client.get("/dead-letters", kind="message", limit=1000)["dead_letters"]
    kept = [one for one in reversed(refused) if one["id"] not in known]
    assert len(MALFORMED) == 20
    assert [(one["reason"], kept_bytes(client, one["id"])) for one in kept] == [
        (reason, raw[:1_048_576]) for raw, reason in MALFORMED.values()
    ]
    assert all(one["detail"] and one["source"] == SOURCE for one in kept)
    answer = client.search("default", "colours in the sky", after=receipt["job"]["id"])
    assert answer["hits"][0]["id"] == "good-one"
    assert producer.llen(QUEUE) == 0


def kept_bytes(client: Client, letter: str) -> bytes:
    """Return what is kept of a refused message."""
    message = client.get(f"/dead-letters/{letter}")["message"]
    raw: str = message["raw"]
    return base64.b64decode(raw) if message["encoding"] == "base64" else raw.encode()


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


# --- over HTTP, with the Python client ------------------------------------------------------

_APP = """
import json, sys
sys.path.insert(0, sys.argv[1])
from lamina_client import Client, Refused

with Client.connect(sys.argv[2]) as lamina:
    lamina.create_collection({"name": "app"})
    whale = {"id": "whale", "text": "The blue whale lives in the sea.", "metadata": {"legs": 0}}
    job = lamina.submit("app", [whale], key="once")
    again = lamina.submit("app", [whale], key="once")
    done = lamina.wait(job)
    found = lamina.search("app", {"q": "ocean animals", "after": job, "filter": "legs = 0"})
    try:
        lamina.search("nowhere", {"q": "x"})
    except Refused as error:
        refusal = [error.status, error.type]
foreign = [name for name in ("shared", "torch", "pydantic", "sqlalchemy") if name in sys.modules]
print(json.dumps([job == again, done["counts"], found["hits"][0]["id"], refusal, foreign]))
"""


def test_an_app_with_a_copy_adds_waits_and_searches(lamina: RunningLamina, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "shared" / "client", tmp_path / "lamina_client")
    done = subprocess.run(
        [sys.executable, "-I", "-c", _APP, str(tmp_path), lamina.url],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()
    same, counts, hit, refusal, foreign = json.loads(done.stdout)
    assert same
    assert counts["indexed"] == 1
    assert hit == "whale"
    assert refusal == [404, "/problems/collection-not-found"]
    assert foreign == []
