"""Pages that follow what happens, in a real browser: by notices, and by asking where none come."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.serving import Address, served
from tests.e2e.test_pages import visiting
from tests.unit.web.installation import Installation

SELDOM = {"poll_seconds": 0.05, "stream_seconds": 30.0}


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("live")
    with Installation.open(folder, events=SELDOM) as installation:
        yield installation


@pytest.fixture(scope="module")
def address(lamina: Installation) -> Iterator[Address]:
    with served(lamina) as url:
        yield Address(url)


def never_ask(route: Route) -> None:
    """Serve a page whose parts would ask by themselves only after an hour."""
    answer = route.fetch()
    route.fulfill(
        response=answer, body=answer.text().replace('data-every="1"', 'data-every="3600"')
    )


def test_a_job_is_shown_done_by_a_notice_and_by_asking_where_no_notice_comes(
    browser: Browser, address: Address, lamina: Installation
) -> None:
    job = lamina.add({"id": "noticed", "text": "told by the stream"})
    with visiting(browser, address) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        page.route("**/jobs/**", never_ask)
        with page.expect_response("**/live?*") as opened:
            page.goto(f"/jobs/{job}")
        assert opened.value.status == 200
        expect(page.get_by_role("status")).to_contain_text("Waiting for a worker")
        lamina.index_all()
        lamina.search("told")  # so that a reader loads it
        expect(page.get_by_role("status")).to_contain_text("done")
        expect(page.locator("[data-every]")).to_have_count(0)
        assert 1 <= asked.count("progress") <= 5

    job = lamina.add({"id": "asked", "text": "not told by a stream"})
    with visiting(browser, address, answers=(503,)) as page:
        page.route("**/live?*", lambda route: route.fulfill(status=503))
        page.goto(f"/jobs/{job}")
        expect(page.get_by_role("status")).to_contain_text("Waiting for a worker")
        lamina.index_all()
        lamina.search("told")
        expect(page.get_by_role("status")).to_contain_text("done")


def test_a_page_that_nobody_looks_at_holds_no_stream(
    browser: Browser, address: Address, lamina: Installation
) -> None:
    job = lamina.add({"id": "hidden", "text": "text"})
    places = lamina.services.settings.events.streams
    with visiting(browser, address) as page:
        with page.expect_response("**/live?*"):
            page.goto(f"/jobs/{job}")
        # Chromium without a window shows every tab, so the page is told that it is hidden.
        hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
        hide += "document.dispatchEvent(new Event('visibilitychange'))"
        page.evaluate(hide % "true")

        def taken() -> int:
            return places - lamina.services.streams._value

        for _ in range(50):
            if not taken():
                break
            page.wait_for_timeout(100)
        assert taken() == 0
        with page.expect_response("**/live?*"):
            page.evaluate(hide % "false")
        lamina.index_all()
