"""Commands for the life of collections, and for those who want to hear of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from shared.cli import configuration
from shared.cli.commands import app
from shared.client import Client
from tests.unit.web.installation import Installation


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("life")
    with Installation.open(folder, webhooks={"private": True}) as installation:
        yield installation


@pytest.fixture(autouse=True)
def _connected(lamina: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the commands' requests go to the application."""
    transport = httpx.WSGITransport(app=lamina.app)

    def connect() -> Client:
        return Client(httpx.Client(transport=transport, base_url="http://127.0.0.1"))

    monkeypatch.setattr(configuration, "connect", connect)


def run(*words: str) -> Any:
    """Run a command that must succeed; return what it says, decoded if it is JSON."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return json.loads(done.output) if "--json" in words else done.output


def refuse(*words: str) -> str:
    """Run a command that must be refused as wrong; return why."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 2, done.output
    return done.output


def test_a_collection_is_renamed_deleted_and_recovered(lamina: Installation) -> None:
    lamina.new_collection("herd")
    lamina.add({"id": "cow", "text": "a cow"}, collection="herd")
    lamina.index_all()

    assert "is called flock now" in run("collections", "rename", "herd", "flock")
    assert "holds 1 document, so --yes" in refuse("collections", "delete", "flock")
    assert "can be recovered" in run("collections", "delete", "flock", "--yes")
    assert "flock" in refuse("collections", "show", "flock")
    (deleted,) = run("collections", "deleted", "--json")
    assert (deleted["name"], deleted["documents"]) == ("flock", 1)
    assert "herd is back with 1 document." in run("collections", "recover", "flock", "--as", "herd")
    assert "flock" not in run("collections", "deleted")


def test_aliases_are_moved_in_one_step(lamina: Installation) -> None:
    for name in ("old", "new"):
        lamina.new_collection(name)

    assert run("aliases", "set", "live=old", "beta=new", "--json") == {"live": "old", "beta": "new"}
    assert run("aliases", "set", "live=new", "beta=", "--json") == {"live": "new"}
    assert "live" in run("aliases", "list")
    assert "must be ALIAS=COLLECTION" in refuse("aliases", "set", "live")
    assert "nowhere" in refuse("aliases", "set", "live=nowhere")
    assert run("collections", "show", "live", "--json")["name"] == "new"


def test_webhooks_are_made_changed_and_removed(lamina: Installation) -> None:
    lamina.new_collection("told")
    url = "http://127.0.0.1:9/hook"

    made = run("webhooks", "create", url, "-c", "told", "--event", "job.finished", "--json")
    identity = made["webhook"]["id"]
    assert made["secret"].startswith("whsec_")
    assert "enabled" in run("webhooks", "list", "-c", "told")
    changed = run("webhooks", "set", identity, "-c", "told", "--disable", "--json")
    assert (changed["enabled"], changed["events"]) == (False, ["job.finished"])
    assert run("webhooks", "deliveries", identity, "-c", "told", "--json") == []
    assert "delivery" in refuse("webhooks", "replay", identity, "x", "-c", "told").lower()
    run("webhooks", "delete", identity, "-c", "told")
    assert run("webhooks", "list", "-c", "told", "--json") == []


def test_events_are_told_a_line_each(lamina: Installation) -> None:
    lamina.new_collection("stage")
    lamina.add({"id": "act", "text": "one act"}, collection="stage")
    lamina.index_all()

    lines = run("events", "-c", "stage", "--after", "0", "--once").splitlines()

    kinds = [json.loads(line)["type"] for line in lines if line.startswith("{")]
    assert sorted(kinds) == ["job.finished", "version.published"]


def test_what_became_of_a_key_and_whose_key_this_is(lamina: Installation) -> None:
    document = {"id": "receipt", "text": "of a request with a key"}
    posted = lamina.client().post(
        "/api/v1/collections/c/documents",
        json={"documents": [document]},
        headers={"Idempotency-Key": "orders/7"},
    )
    assert posted.status_code == 202, posted.text

    found = run("receipts", "orders/7", "--json")
    assert (found["status"], len(found["receipts"])) == ("accepted", 1)
    assert f"job {found['receipts'][0]['job']['id']}" in run("receipts", "orders/7")
    assert CliRunner().invoke(app, ["receipts", "nobody"]).exit_code == 2
    assert run("keys", "whoami") == "local: admin, all collections\n"
    assert run("keys", "whoami", "--json")["scope"] == "admin"
