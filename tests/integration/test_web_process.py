"""The web process itself: gunicorn, its worker, how it ends. No model is installed here."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from shared.catalog import Database, SqlCollections
from shared.domain import Chunking, Metric, SpaceDraft
from shared.settings import Settings
from tests.command_line import Forked, run_module
from tests.fakes.encoder import HashEncoder
from web.serve import gunicorn_options

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a migrated catalog and a collection called `c`."""
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    database.migrate()
    draft = SpaceDraft(encoder=HashEncoder().card, metric=Metric.COSINE, chunking=Chunking())
    SqlCollections(database).create("c", draft)
    database.close()
    return tmp_path


@contextmanager
def web_process(folder: Path, **environment: str) -> Iterator[tuple[Forked, int, BinaryIO]]:
    """Run `python -m web` on a free port until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    reading, writing = os.pipe()
    lifeline = os.fdopen(writing, "wb")
    env = os.environ | environment | {"LAMINA_DATA_DIR": str(folder), "LAMINA_PORT": str(port)}
    with (folder / "web.log").open("wb") as log:
        process = Forked(
            ["web", "--parent-fd", str(reading)],
            environment=env,
            folder=ROOT,
            streams=(log.fileno(), log.fileno(), log.fileno()),
            keep=[reading],
        )
    os.close(reading)
    try:
        wait_until_alive(port, process)
        yield process, port, lifeline
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=20)
        lifeline.close()


def wait_until_alive(port: int, process: Forked) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if call(port, "GET", "/livez")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("The web process did not answer.")


def call(
    port: int, method: str, path: str, body: object = None, more: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Send a request, with *more* headers; return the answer's status and its JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/json", **(more or {})} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_worker_killed_after_the_commit_loses_nothing_and_is_replaced(folder: Path) -> None:
    with web_process(folder, LAMINA_FAIL_AT="web.accepted") as (process, port, _):
        status, ready = call(port, "GET", "/readyz")
        body = {"documents": [{"id": "kept", "text": "accepted just before the end"}]}
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            call(port, "POST", "/api/v1/collections/c/documents", body)
        wait_until_alive(port, process)
        found, document = call(port, "GET", "/api/v1/collections/c/documents/kept")
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)

    assert status == 503
    assert ready["reasons"]
    assert (found, document["status"]) == (200, "pending")
    assert code == 0
    assert not list(folder.glob("*.sock"))


def test_the_web_process_ends_when_its_supervisor_does(folder: Path) -> None:
    with web_process(folder) as (process, port, lifeline):
        lifeline.close()
        process.wait(timeout=20)
        with pytest.raises(ConnectionRefusedError):
            call(port, "GET", "/livez")

    assert process.returncode == 0


def test_an_exposed_process_without_a_key_says_what_is_missing(tmp_path: Path) -> None:
    environment = os.environ | {"LAMINA_HOST": "0.0.0.0", "LAMINA_DATA_DIR": str(tmp_path)}
    done = run_module("web", environment=environment)

    assert done.returncode == 2
    assert "LAMINA_ADMIN_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_gunicorn_loads_nothing_before_the_fork_and_listens_where_it_is_told() -> None:
    settings = Settings(_env_file=None, host="::1", port=0, web={"threads": 3, "processes": 2})
    options = gunicorn_options(settings)

    assert options["bind"] == "[::1]:0"
    assert (options["threads"], options["workers"]) == (3, 2)
    assert options["preload_app"] is False
    assert options["control_socket_disable"] is True
