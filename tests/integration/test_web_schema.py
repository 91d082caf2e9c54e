"""The web process on a catalog that is older or newer than its program (fault 24)."""

import os
from pathlib import Path

import pytest

from shared import exits
from shared.catalog import Database
from tests.command_line import run_module
from tests.integration.test_web_process import call, folder, web_process
from tests.integration.test_worker_endings import come_from_the_future
from tests.worker_process import wait_until

__all__ = ["folder"]


def catalog_of(folder: Path) -> Database:
    return Database(f"sqlite:///{folder / 'catalog.db'}")


def test_it_answers_that_the_catalog_is_not_migrated_until_it_is(tmp_path: Path) -> None:
    with web_process(tmp_path) as (_, port, _lifeline):
        status, ready = call(port, "GET", "/readyz")
        listed, problem = call(port, "GET", "/api/v1/collections")
        database = catalog_of(tmp_path)
        database.migrate()
        wait_until(lambda: call(port, "GET", "/api/v1/collections")[0] == 200)
        database.close()

    assert status == 503
    assert any("lamina migrate" in reason for reason in ready["reasons"])
    assert listed == 503
    assert "lamina migrate" in problem["detail"]
    assert "Traceback" not in (tmp_path / "web.log").read_text()


@pytest.mark.slow
def test_it_ends_by_itself_when_a_newer_lamina_takes_the_catalog_over(folder: Path) -> None:
    database = catalog_of(folder)
    with web_process(folder) as (process, _, _lifeline):
        come_from_the_future(database, oldest_program=9999)
        code = process.wait(timeout=60)
    database.close()

    assert code == 0
    said = (folder / "web.log").read_text()
    assert "install the newer one" in said
    assert "Traceback" not in said


def test_it_refuses_to_start_on_a_catalog_that_is_too_new(folder: Path) -> None:
    database = catalog_of(folder)
    come_from_the_future(database, oldest_program=9999)
    database.close()
    done = run_module("web", environment=os.environ | {"LAMINA_DATA_DIR": str(folder)})

    assert done.returncode == exits.CONFIGURATION
    assert "install the newer one" in done.stderr
    assert "Traceback" not in done.stderr
