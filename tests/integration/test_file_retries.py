"""Files that could not be read are read again, while their bytes are kept."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from shared.catalog import SqlParsing
from shared.cli import configuration
from shared.cli.commands import app
from shared.client import Client
from shared.domain import (
    FileFault,
    FileKind,
    FileReading,
    NewDocument,
    Origin,
    Parsed,
    Upload,
    UploadState,
)
from shared.errors import Fenced
from shared.services import file_limits, open_attic, open_mill
from shared.uploads.clearing import clear_away
from shared.uploads.retrying import retry_files
from tests.integration.test_web_access import token_in
from tests.integration.test_web_files import FILES, post
from tests.keeping import database_of
from tests.mills import attic_of, depot_of, files_of, mill_of, parse_all, pdf, pen, send
from tests.unit.web.installation import Installation, body_of
from tests.worlds import World

ROWS = b"".join(b"%d,Words of row %d\n" % (n, n) for n in range(6))
PAGES = [f"Page {n} tells of whales. {'They sing. ' * 20}" for n in range(3)]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def test_a_failed_file_is_read_again_behind_what_was_stored_and_its_old_holder_is_fenced(
    world: World,
) -> None:
    receipt, _ = send(world, {"rows.csv": b"id,text\n" + ROWS, "b.txt": b"Other words"})
    assert receipt is not None
    parsing = SqlParsing(database_of(world))
    held = parsing.claim("host:9", lease_seconds=60.0, max_attempts=3)
    assert isinstance(held, Upload)
    first = NewDocument(id="0", text="Words of row 0", metadata={"file": "rows.csv"})
    origin = Origin(file="rows.csv", file_kind=FileKind.CSV)
    parsing.store(held, [Parsed(document=first, origin=origin)], done=None)
    reading = FileReading(kind=FileKind.CSV)
    parsing.fail(held, FileFault.TIMEOUT, "It took too long.", reading)
    parse_all(mill_of(world))
    job = world.records.job(receipt.job_id)
    assert job.files.waiting == 0
    assert [one.message for one in job.errors] == ["It took too long."]

    depot = depot_of(world)
    assert retry_files(depot, receipt.job_id, names=["no such", "b.txt"]).waiting == 0
    assert retry_files(depot, "no such").waiting == 0
    assert retry_files(depot, receipt.job_id, names=["rows.csv"]).waiting == 1
    assert retry_files(depot, receipt.job_id).waiting == 0
    job = world.records.job(receipt.job_id)
    assert (job.files.waiting, job.errors) == (1, ())
    again = parsing.claim("host:9", lease_seconds=60.0, max_attempts=1)
    assert again is not None
    assert (again.id, again.attempts, again.stored) == (held.id, 1, 1)
    with pytest.raises(Fenced):
        parsing.fail(held, FileFault.TIMEOUT, "late", None)
    parsing.release(again, delay_seconds=0.0)
    parse_all(mill_of(world))
    states = {one.name: one.state for one in files_of(world, receipt.job_id)}
    assert states == {"rows.csv": UploadState.DONE, "b.txt": UploadState.DONE}
    assert world.records.job(receipt.job_id).total == 7


def test_bytes_of_a_failed_file_are_kept_for_a_while_and_then_it_is_said_that_they_are_gone(
    world: World,
) -> None:
    receipt, _ = send(world, {"scan.pdf": pdf([""])})
    assert receipt is not None
    parse_all(mill_of(world))

    clear_away(attic_of(world), grace_seconds=0, failed_seconds=3600, draft_seconds=3600)
    assert retry_files(depot_of(world), receipt.job_id).waiting == 1
    parse_all(mill_of(world))
    clear_away(attic_of(world), grace_seconds=0, failed_seconds=0, draft_seconds=3600)
    done = retry_files(depot_of(world), receipt.job_id)
    assert (done.waiting, done.gone) == (0, ("scan.pdf",))
    (report,) = files_of(world, receipt.job_id)
    assert report.state is UploadState.FAILED


def test_a_file_is_retried_by_the_api_the_page_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Installation.open(tmp_path, files=FILES) as lamina:
        limits = file_limits(lamina.services.settings)
        mill = open_mill(lamina.services)
        strict = replace(mill, reader=pen(replace(limits, pages=1)))
        generous = replace(mill, reader=pen(limits))
        names = ("a.pdf", "b.pdf", "c.pdf", "d.pdf")
        files = [(name, pdf([*PAGES, f"The end of {name}"])) for name in names]
        job = body_of(post(lamina, *files))["job"]["id"]
        parse_all(strict)
        page = f"/jobs/{job}"
        assert "Retry all 4 that failed" in lamina.client().get(page).text

        answered = lamina.client().post(f"/api/v1{page}/retry", json={"files": ["a.pdf"]})
        told = body_of(answered)
        assert (told["files"], told["retried"], told["details"]) == (1, 0, [])
        browser = lamina.client()
        token = token_in(browser, page)
        form = {"file": "b.pdf", "csrf_token": token}
        shown = browser.post(f"{page}/retry", data=form, follow_redirects=True)
        assert "1 file will be read again." in shown.text
        parse_all(generous)
        lamina.index_all()
        assert {hit["id"] for hit in lamina.search("whales", k=10)["hits"]} == {"a.pdf", "b.pdf"}

        transport = httpx.WSGITransport(app=lamina.app)
        client = Client(httpx.Client(transport=transport, base_url="http://127.0.0.1"))
        monkeypatch.setattr(configuration, "connect", lambda: client)
        command = CliRunner().invoke(app, ["jobs", "retry", job, "--file", "c.pdf"])
        assert command.output.endswith("1 file will be read again\n")
        parse_all(generous)
        attic = open_attic(lamina.services)
        clear_away(attic, grace_seconds=0, failed_seconds=0, draft_seconds=0)
        gone = body_of(lamina.client().post(f"/api/v1{page}/retry", json={}))
        assert (gone["files"], gone["impossible"]) == (0, 1)
        assert gone["details"] == [
            "The bytes of 'd.pdf' are not kept any more; send the file again."
        ]
