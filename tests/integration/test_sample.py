"""The sample collection goes in like everybody's documents, and out again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shared import samples
from shared.cli.commands import app
from shared.collecting import create_collection
from tests.e2e.serving import served
from tests.integration.test_web_pages import send
from tests.unit.web.installation import ENCODER, Installation, body_of, problem_of


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path) as installation:
        yield installation


def test_the_sample_is_some_hundred_documents_with_their_licence() -> None:
    ids = [one["id"] for one in samples.documents() if isinstance(one, dict)]

    assert 300 <= len(set(ids)) == len(samples.documents()) <= 400
    assert "Princeton University" in samples.ATTRIBUTION
    assert "Permission to use, copy, modify and distribute" in samples.licence()


def test_one_click_loads_it_another_removes_it_and_a_third_loads_it_again(
    lamina: Installation,
) -> None:
    client = lamina.client()
    offered = client.get("/").text
    loaded = send(client, "/", "/sample")
    waiting = client.get("/").text
    lamina.index_all()
    lamina.search("octopus", collection=samples.NAME)
    part = client.get("/sample/progress").text
    there = client.get("/").text
    removed = send(client, "/", "/sample/remove")
    gone = client.get("/").text

    assert "Load the sample" in offered
    assert "Copyright 2006 by Princeton University" in offered
    assert (loaded.status_code, removed.status_code) == (303, 303)
    assert "0 of 321 searchable, 321 waiting" in waiting
    assert '<noscript><meta http-equiv="refresh"' in waiting
    assert "hx-get" not in part
    assert "All of it is searchable" in part
    assert "something to see far away with" in there
    assert "The sample is gone" in gone
    assert "Load the sample" in gone
    send(client, "/", "/sample")
    lamina.index_all()
    again = lamina.search("octopus", collection=samples.NAME)
    assert len(again["hits"]) == 10
    (acted, *_) = [one.act.what for one in lamina.services.audit.entries(limit=9)]
    assert acted == "sample.load"


def test_over_http_it_is_one_job_and_never_touches_what_is_there(lamina: Installation) -> None:
    client = lamina.client()
    loaded = client.post("/api/v1/sample", json={})
    job = body_of(client.get(loaded.headers["Location"]))
    twice = client.post("/api/v1/sample", json={})

    assert loaded.status_code == 202
    assert body_of(loaded)["collection"] == samples.NAME
    assert (job["total"], job["source"]) == (321, "sample")
    problem_of(twice, 409, "collection-exists")
    assert len(lamina.services.records.jobs(limit=9)) == 1


def test_whoever_died_after_making_the_collection_left_one_that_is_filled(
    lamina: Installation,
) -> None:
    it = lamina.services
    create_collection(it.collections, it.encoders, samples.NAME, encoder=ENCODER)

    assert lamina.client().post("/api/v1/sample", json={}).status_code == 202


def test_the_command_loads_it_and_deletes_it(
    lamina: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["sample", *arguments])

    with served(lamina) as url:
        monkeypatch.setenv("LAMINA_URL", url)
        loaded = run("--no-wait", "--json")
        twice = run()
        removed = run("--remove", "--json")
        again = run("--no-wait")

    assert '"documents": 321' in loaded.stdout
    assert twice.exit_code == 2
    assert "There is a collection called 'sample-nouns' already" in twice.stderr
    assert f'"name": "{samples.NAME}"' in removed.stdout
    assert "321 documents of sample-nouns accepted." in again.stdout
    assert "Princeton University" in again.stderr
