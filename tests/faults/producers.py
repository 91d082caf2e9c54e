"""Producers as users write them: each hands changes in until Lamina has acknowledged them.

All of them live through faults: what was not acknowledged is sent again, with the same key.
"""

import json
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import httpx

from tests.backends import Backend, PushFailed
from tests.running import RunningLamina

Document: TypeAlias = Mapping[str, str]
"""`id`, `title` and `text`."""

PATIENCE_SECONDS = 300.0
"""A change that is not acknowledged after so long is a failure."""
_AGAIN_SECONDS = 3.0
"""How long a receipt is waited for before a message is pushed again."""
_PAUSE_SECONDS = 0.2
_TRANSIENT = frozenset({429, 500, 502, 503, 504, 507})
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class NotAcknowledged(Exception):
    """A change was not accepted, however often it was sent."""


class Producer(Protocol):
    """Someone who hands changes in. For one thread."""

    name: str

    def put(self, documents: Sequence[Document]) -> str:
        """Add or replace documents; return the job once it is acknowledged.

        Raises:
            NotAcknowledged: not in `PATIENCE_SECONDS`, or refused for good.
        """
        ...

    def delete(self, document: str) -> str | None:
        """Delete a document; return the job once acknowledged, None where there is none.

        Raises:
            NotAcknowledged: as `put`.
        """
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class ApiProducer:
    """A program that speaks HTTP, with idempotency keys."""

    def __init__(self, name: str, url: str, collection: str, *, lane: str = "interactive") -> None:
        self.name = name
        self._http = httpx.Client(base_url=url, timeout=10, trust_env=False)
        self._documents = f"/api/v1/collections/{collection}/documents"
        self._lane = lane

    def put(self, documents: Sequence[Document]) -> str:
        answer = self._send(
            "POST", self._documents, json={"documents": documents}, params={"lane": self._lane}
        )
        return _job(answer)

    def delete(self, document: str) -> str | None:
        answer = self._send("DELETE", f"{self._documents}/{document}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else _job(answer)

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return insist(lambda: self._http.request(method, path, headers=headers, **options))


class FormProducer:
    """A person with a browser: types one document into the form, again if the answer is lost."""

    def __init__(self, name: str, url: str, collection: str) -> None:
        self.name = name
        self._http = httpx.Client(base_url=url, timeout=10, trust_env=False)
        self._collection = collection
        self._api = ApiProducer(name, url, collection)

    def put(self, documents: Sequence[Document]) -> str:
        (document,) = documents
        answer = insist(lambda: self._fill_in(document))
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise NotAcknowledged(f"the form says {answer.status_code}: {answer.text}")
        return answer.headers["Location"].rpartition("/")[2]

    def delete(self, document: str) -> str | None:
        """Delete with the API: there is no form for it."""
        return self._api.delete(document)

    def close(self) -> None:
        self._http.close()
        self._api.close()

    def _fill_in(self, document: Document) -> httpx.Response:
        page = self._http.get("/add")
        if not page.is_success:
            return page
        token = _TOKEN.search(page.text)
        if token is None:
            raise NotAcknowledged("the form has no CSRF token")
        values = {"csrf_token": token[1], "collection": self._collection, "metadata": ""}
        return self._http.post("/add", data=values | dict(document))


class QueueProducer:
    """An app that pushes to the queue and asks for the receipt of its key."""

    def __init__(
        self, name: str, url: str, collection: str, push: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        """Push with *push*, which gets the task's name and arguments; see below."""
        self.name = name
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=5, trust_env=False)
        self._collection = collection
        self._push = push

    def put(self, documents: Sequence[Document]) -> str:
        return self._send("lamina.submit.v1", documents=documents)

    def delete(self, document: str) -> str | None:
        return self._send("lamina.delete.v1", ids=[document])

    def close(self) -> None:
        self._http.close()

    def _send(self, task: str, **payload: Any) -> str:
        key = f"{self.name}/{uuid.uuid4().hex}"
        arguments = {"collection": self._collection, "key": key, **payload}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                self._push(task, arguments)
            except PushFailed:
                time.sleep(_PAUSE_SECONDS)
            again = time.monotonic() + _AGAIN_SECONDS
            while time.monotonic() < again:
                if job := self._receipt(key):
                    return job
                time.sleep(0.05)
        raise NotAcknowledged(f"no receipt for {key}")

    def _receipt(self, key: str) -> str | None:
        try:
            answer = self._http.get(f"/receipts/{key}")
        except httpx.HTTPError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        newest = answer.json()["receipts"][0]
        if newest["status"] != "accepted":
            raise NotAcknowledged(f"{key} was rejected: {newest['reason']}: {newest['detail']}")
        job: str = newest["job"]["id"]
        return job


def plain_json(backend: Backend, lamina: RunningLamina) -> Callable[[str, Mapping[str, Any]], None]:
    """Return how an app without any library pushes."""

    def push(task: str, arguments: Mapping[str, Any]) -> None:
        backend.push(lamina, json.dumps({"task": task, "kwargs": arguments}).encode())

    return push


class Program:
    """A foreign program that sends one task for each line it reads, and says so with a line.

    It is started again when it has died or does not answer.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def push(self, task: str, arguments: Mapping[str, Any]) -> None:
        """Let it send.

        Raises:
            PushFailed: it could not, or did not say that it could.
        """
        process = self._process
        if process is None or process.poll() is not None:
            self.close()
            process = self._process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        overdue = threading.Timer(2 * _AGAIN_SECONDS, process.kill)
        overdue.start()
        try:
            process.stdin.write(json.dumps({"task": task, "kwargs": arguments}) + "\n")
            process.stdin.flush()
            said = process.stdout.readline().strip()
        except OSError as error:
            raise PushFailed(str(error)) from error
        finally:
            overdue.cancel()
        if said != "sent":
            raise PushFailed(said or "the program has ended")

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with suppress(OSError):  # what could not be written is not wanted any more
                        stream.close()
            self._process = None

    def _start(self) -> "subprocess.Popen[str]":
        with (self._folder / "program.log").open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def insist(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Send again and again until there is an answer that is not a passing fault.

    Raises:
        NotAcknowledged: none in `PATIENCE_SECONDS`.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    said = "nothing"
    while time.monotonic() < deadline:
        try:
            answer = send()
        except httpx.TransportError as error:
            said = repr(error)
        else:
            if answer.status_code not in _TRANSIENT:
                return answer
            said = f"{answer.status_code}: {answer.text}"
        time.sleep(_PAUSE_SECONDS)
    raise NotAcknowledged(said)


def _job(answer: httpx.Response) -> str:
    if answer.status_code != httpx.codes.ACCEPTED:
        raise NotAcknowledged(f"{answer.status_code}: {answer.text}")
    job: str = answer.json()["job"]["id"]
    return job


CELERY_PROGRAM = """
import json, sys
from celery import Celery

app = Celery(broker=sys.argv[1])
app.conf.broker_transport_options = {"confirm_publish": True, "socket_timeout": 3}
app.conf.broker_connection_timeout = 3
options = json.loads(sys.argv[2])
for line in sys.stdin:
    message = json.loads(line)
    try:
        app.send_task(message["task"], kwargs=message["kwargs"], retry=False, **options)
    except Exception as error:
        print(repr(error).replace("\\n", " "), flush=True)
    else:
        print("sent", flush=True)
"""
"""For `python -c`, with the broker's address and the options of `send_task` as JSON."""

CELERY_NODE_PROGRAM = """
const celery = require("celery-node");
const readline = require("readline");

const [broker] = process.argv.slice(2);
(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const message = JSON.parse(line);
    const client = celery.createClient(broker, broker);
    client.conf.CELERY_QUEUE = "lamina.submit";
    client.sendTask(message.task, [], message.kwargs);
    await client.isReady();
    await client.disconnect();
    console.log("sent");
  }
})();
"""
"""For `node` in a folder where npm installed `celery-node`."""

AMQPLIB_PROGRAM = """
const amqp = require("amqplib");
const readline = require("readline");
const { randomUUID } = require("crypto");

const [broker] = process.argv.slice(2);
(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const message = JSON.parse(line);
    try {
      const connection = await amqp.connect(broker);
      const channel = await connection.createConfirmChannel();
      const body = Buffer.from(JSON.stringify([[], message.kwargs, {}]));
      channel.publish("lamina.submit", "lamina.submit", body, {
        contentType: "application/json",
        contentEncoding: "utf-8",
        headers: { task: message.task, id: randomUUID() },
      });
      await channel.waitForConfirms();
      await connection.close();
      console.log("sent");
    } catch (error) {
      console.log(String(error).replace(/\\n/g, " "));
    }
  }
})();
"""
"""For `node` in a folder where npm installed `amqplib`."""
