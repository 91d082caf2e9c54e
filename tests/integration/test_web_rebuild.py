"""Rebuilds over HTTP and from the command line: asked for, looked at, refused, cancelled."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from shared.cli import configuration
from shared.cli.commands import app
from shared.client import Client
from tests.unit.web.installation import Installation, body_of, problem_of

HERE = "/api/v1/collections/c/rebuild"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path) as opened:
        yield opened


def test_a_rebuild_from_the_wish_to_the_swap(home: Installation) -> None:
    client = home.client()
    home.add({"id": "a", "text": "one two three " * 20}, {"id": "b", "text": "short"})
    home.index_all()
    problem_of(client.get(HERE), 404, "rebuild-not-found")
    problem_of(client.delete(HERE), 404, "rebuild-not-found")
    assert body_of(client.post(HERE, json={})) == {"unchanged": True, "rebuild": None}
    problem_of(client.post(HERE, json={"encoder": "nobody/no"}), 422, "encoder-not-installed")
    problem_of(client.post(HERE, json={"chunking": {"max_tokens": 9000}}), 422, "invalid-request")

    rung = home.bell.rung
    wish = {"chunking": {"max_tokens": 16, "overlap_tokens": 0}}
    begun = client.post(HERE, json=wish)
    assert (begun.status_code, begun.headers["Location"]) == (202, HERE)
    assert home.bell.rung > rung
    rebuild = body_of(begun)["rebuild"]
    assert (rebuild["state"], rebuild["of"], rebuild["done"]) == ("building", 2, 0)
    job = body_of(client.get(f"/api/v1/jobs/{rebuild['job']}"))
    assert (job["source"], job["status"], job["total"]) == ("rebuild", "waiting", 2)
    reasons = body_of(client.get(f"/api/v1/jobs/{rebuild['job']}/why"))["reasons"]
    assert [one["code"] for one in reasons] == ["rebuild", "no-worker"]
    assert body_of(client.post(HERE, json=wish))["rebuild"]["job"] == rebuild["job"]
    other = client.post(HERE, json={"chunking": {"max_tokens": 20, "overlap_tokens": 0}})
    problem_of(other, 409, "rebuild-under-way")

    assert body_of(client.delete(HERE))["state"] == "cancelled"
    assert body_of(client.get("/api/v1/collections/c"))["rebuild"]["state"] == "cancelled"
    again = body_of(client.post(HERE, json=wish))["rebuild"]
    home.index_all()
    done = body_of(client.get(HERE))
    assert (done["state"], done["done"], done["of"], done["failures"]) == ("done", 2, 2, [])
    assert done["job"] == again["job"]
    detail = body_of(client.get("/api/v1/collections/c"))
    assert detail["chunking"]["max_tokens"] == 16
    assert detail["version"] == done["version"] == 2
    versions = body_of(client.get("/api/v1/collections/c/versions"))["versions"]
    assert [one["kind"] for one in versions[:2]] == ["rebuild", "commit"]
    job = body_of(client.get(f"/api/v1/jobs/{again['job']}"))
    assert (job["status"], job["version"], job["counts"]["indexed"]) == ("done", 2, 2)
    assert home.search("one two")["hits"][0]["id"] == "a"
    assert body_of(client.post(HERE, json=wish))["unchanged"]


def test_the_command_asks_shows_and_cancels(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect() -> Client:
        """Return a client that reaches the application without a server in between."""
        transport = httpx.WSGITransport(app=home.app)
        return Client(httpx.Client(transport=transport, base_url="http://127.0.0.1"))

    monkeypatch.setattr(configuration, "connect", connect)
    home.add({"id": "a", "text": "fine " * 20}, {"id": "bad", "text": "bitter"})
    home.index_all()
    assert "404" in rebuild(exit_code=2) or "never rebuilt" in rebuild(exit_code=2)
    assert rebuild("--chunking", "passages") == "c is just so already; nothing was begun.\n"
    begun = rebuild("--max-tokens", "16", "--overlap", "0")
    assert begun.startswith("building: 0 of 2 documents, lamina/hash, cosine, chunking passages")
    assert rebuild("--cancel").startswith("cancelled: 0 of 2 documents")
    assert "no other wish" in rebuild("--cancel", "--force", exit_code=2)
    home.encoder.refuse("bitter")
    rebuild("--max-tokens", "16", "--overlap", "0")
    home.index_all()
    blocked = rebuild("--wait", exit_code=1)
    assert "1 document failed" in blocked
    assert "The model chokes on this." in blocked
    rebuild("--force")
    home.index_all()
    assert "searched from version 2 on" in rebuild("--wait")
    assert json.loads(rebuild("--json"))["state"] == "done"


def rebuild(*arguments: str, exit_code: int = 0) -> str:
    """Run `lamina collections rebuild c`; return what it says."""
    done = CliRunner().invoke(app, ["collections", "rebuild", "c", *arguments])
    assert done.exit_code == exit_code, done.output
    return done.output
