"""One whole Lamina with the real model for all tests of this folder, and a real browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.backends import open_backend
from tests.e2e.client import Client
from tests.e2e.texts import DOCUMENTS
from tests.running import RunningLamina

LIBRARY = "library"
# Tests beside it keep the cores busy, and whoever is nice would wait for all of them.
SMALL = {"LAMINA_ENCODING_WORKERS": "1", "LAMINA_ENCODING_NICE": "0"}
FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def need_program(name: str) -> str:
    """Return the path of a program of this machine; without it skip, or fail in CI."""
    found = shutil.which(name)
    return found or _lacks(name)


def _lacks(name: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {name}")
    pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="package")
def lamina(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningLamina]:
    """A running Lamina whose collection `library` holds the articles of `texts.py`.

    Embedded, unless a test names another backend as this fixture's parameter.
    """
    folder: Path = tmp_path_factory.mktemp("e2e")
    with (
        open_backend(getattr(request, "param", None) or "embedded", folder) as backend,
        RunningLamina(folder / "var", {**SMALL, **backend.environment}) as running,
    ):
        with Client(running.url) as client:
            report = client.add(client.create(LIBRARY), *DOCUMENTS)
            assert report["counts"]["indexed"] == len(DOCUMENTS)
            client.search(LIBRARY, "anything", after=report["id"])
        yield running


@pytest.fixture(scope="package")
def client(lamina: RunningLamina) -> Iterator[Client]:
    with Client(lamina.url) as opened:
        yield opened


@pytest.fixture(scope="package")
def producer_url(lamina: RunningLamina) -> str:
    """Address that `lamina broker-url` gives to other apps."""
    url = lamina.broker_url
    assert url.startswith("redis://producer:")
    return url


@pytest.fixture(scope="module")  # while Playwright is open, no test could use asyncio
def browser() -> Iterator[Browser]:
    """Chromium of this machine, without a window."""
    program = need_program("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield opened
        opened.close()
