"""Jobs, collections, documents, versions and maps as a person uses them, in a real browser."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.domain import Json
from shared.projecting.mapping import draw_next
from shared.services import open_studio
from tests.e2e.axe import violations
from tests.e2e.client import PATIENCE_SECONDS, Client
from tests.e2e.conftest import LIBRARY
from tests.e2e.serving import Address, served
from tests.e2e.test_pages import DESKTOP, PATIENCE_MS, PHONE, picture, visiting
from tests.e2e.texts import DOCUMENTS
from tests.running import RunningLamina
from tests.unit.web.installation import Installation

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
C = "/collections/c"

pytestmark = pytest.mark.timeout(400)


@contextmanager
def library(folder: Path) -> Iterator[Installation]:
    """Open an installation that holds the articles of `texts.py` and some that are odd."""
    with Installation.open(folder, limits={"documents": 100}) as installation:
        articles: list[Json] = [*DOCUMENTS[:40]]
        installation.add(*articles)
        installation.index_all()
        yield installation


@pytest.fixture
def lamina_here(tmp_path: Path) -> Iterator[Installation]:
    with library(tmp_path) as installation:
        yield installation


def revise(installation: Installation, id_: str, text: str) -> None:
    installation.add({"id": id_, "title": "Revised", "text": text})
    installation.index_all()


@SCRIPTS
def test_what_failed_is_found_among_the_jobs_and_retried(
    browser: Browser, lamina_here: Installation, *, scripts: bool
) -> None:
    lamina_here.encoder.refuse("odd")
    lamina_here.add(*({"id": f"bad/{n}", "text": f"odd {n}"} for n in range(3)))
    lamina_here.index_all()
    lamina_here.encoder.forgive()
    with (
        served(lamina_here) as url,
        visiting(browser, Address(url), java_script_enabled=scripts) as page,
    ):
        page.goto("/jobs")
        page.get_by_label("Status").select_option("failed")
        page.get_by_role("button", name="Show").click()
        rows = page.get_by_role("region", name="Jobs").get_by_role("row")
        expect(rows).to_have_count(2)
        rows.nth(1).get_by_role("link").first.click()

        expect(page.locator(".issues li")).to_have_count(3)
        expect(page.get_by_role("region", name="Batches")).to_contain_text("nothing more waited")
        picture(page, "job-failed")
        page.get_by_role("button", name="Retry bad/1").click()
        expect(page.get_by_text("1 document will be indexed again.")).to_be_visible()
        lamina_here.index_all()
        lamina_here.search("odd")
        page.reload()
        page.get_by_role("button", name="Retry all 2 that failed").click()
        expect(page.get_by_text("2 documents will be indexed again.")).to_be_visible()
        if scripts:
            page.evaluate("window.neverReloaded = true")
        lamina_here.index_all()
        lamina_here.search("odd")
        expect(page.locator(".counts")).to_have_text(re.compile(r"3\s+searchable"))
        if scripts:
            assert page.evaluate("window.neverReloaded")


@SCRIPTS
def test_a_document_is_looked_into_and_deleted(
    browser: Browser, lamina_here: Installation, *, scripts: bool
) -> None:
    with (
        served(lamina_here) as url,
        visiting(browser, Address(url), java_script_enabled=scripts) as page,
    ):
        page.goto("/collections")
        page.get_by_role("link", name=re.compile("^c ")).click()
        page.get_by_role("link", name="Documents").click()
        page.get_by_label("Id begins with").fill("heat")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("region", name="Documents").get_by_role("link").first.click()

        expect(page.locator(".passages li")).not_to_have_count(0)
        expect(page.locator(".passages li").first).to_contain_text("tokens, characters 0 to")
        picture(page, "document")
        page.get_by_text("Delete", exact=True).click()
        if scripts:
            page.keyboard.press("Escape")
            expect(page.get_by_role("button", name="Yes, delete it")).to_be_hidden()
            page.keyboard.press("Enter")  # where it was asked has the focus again
        page.get_by_role("button", name="Yes, delete it").click()
        expect(page.get_by_text("leaves the next version")).to_be_visible()
        lamina_here.index_all()
        page.goto(f"{C}/documents?prefix=heat")
        expect(page.get_by_role("heading", name="No document matches")).to_be_visible()


@SCRIPTS
def test_an_old_version_is_found_on_the_timeline_and_restored(
    browser: Browser, lamina_here: Installation, *, scripts: bool
) -> None:
    for number in range(3):
        revise(lamina_here, "heat-pumps", f"revision {number}")
    with (
        served(lamina_here) as url,
        visiting(browser, Address(url), java_script_enabled=scripts) as page,
    ):
        page.goto(f"{C}/versions")
        expect(page.locator(".timeline svg")).to_be_visible()
        expect(page.locator(".timeline")).to_contain_text("From version 0 to 4")
        page.get_by_role("region", name="Versions").get_by_role(
            "link", name="1", exact=True
        ).click()
        page.get_by_label("Give it a name").fill("golden")
        page.get_by_role("button", name="Name it").click()
        expect(page.get_by_text("Version 1 is called golden now")).to_be_visible()
        page.get_by_role("button", name="Restore").click()

        expect(page.locator(".changes")).to_contain_text("1 changed")
        expect(page.locator(".examples li")).to_have_count(1)
        picture(page, "restore")
        page.get_by_label("I have seen what changes").check()
        page.get_by_role("button", name="Restore version 1").click()
        expect(page.get_by_text("Version 5 is version 1 again.")).to_be_visible()
        picture(page, "versions")


def test_a_map_is_drawn_pointed_at_and_searched(
    browser: Browser, lamina_here: Installation
) -> None:
    with served(lamina_here) as url, visiting(browser, Address(url)) as page:
        page.goto(f"{C}/map")
        page.get_by_role("button", name="Draw the map").click()
        expect(page.get_by_role("status")).to_contain_text("Drawing the map")
        assert draw_next(open_studio(lamina_here.services))

        canvas = page.locator(".map canvas")
        expect(canvas).to_be_visible(timeout=PATIENCE_MS)
        first = page.locator(".legend .group").first
        if not first.evaluate("one => one.open"):
            first.locator("summary").click()
        link = first.get_by_role("link").first
        link.focus()
        tip = page.locator(".tip")
        expect(tip).to_have_text(link.inner_text())
        where = page.evaluate(
            """() => {
              const [one] = document.querySelectorAll(".legend a[data-x]");
              const box = document.querySelector(".map canvas").getBoundingClientRect();
              const side = box.width, inner = side * 0.952, margin = side * 0.024;
              return [box.left + margin + (Number(one.dataset.x) + 1) / 2 * inner,
                      box.top + margin + (1 - Number(one.dataset.y)) / 2 * inner];
            }"""
        )
        link.blur()
        expect(tip).to_be_hidden()
        page.mouse.move(*where)
        expect(tip).to_be_visible()
        told = tip.inner_text()
        picture(page, "map")
        page.mouse.click(*where)
        expect(page.get_by_role("heading", level=2).first).to_have_text(told)
        page.go_back()
        page.get_by_label("Where would this lie?").fill("keeping a home warm")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("status")).to_contain_text("lies among its 5 nearest passages")
        expect(canvas).to_be_visible()


def test_without_scripts_a_map_is_a_picture_with_a_list(
    browser: Browser, lamina_here: Installation
) -> None:
    with (
        served(lamina_here) as url,
        visiting(browser, Address(url), java_script_enabled=False) as page,
    ):
        page.goto(f"{C}/map")
        page.get_by_role("button", name="Draw the map").click()
        expect(page.get_by_role("status")).to_contain_text("Drawing the map")
        assert draw_next(open_studio(lamina_here.services))
        image = page.get_by_role("img", name=re.compile("Map of"))
        expect(image).to_be_visible(timeout=PATIENCE_MS)
        assert page.request.get(url + str(image.get_attribute("src"))).ok
        picture(page, "map-without-scripts")


def test_the_upkeep_process_draws_maps(lamina: RunningLamina, client: Client) -> None:
    asked = client.http.post(f"/collections/{LIBRARY}/map", json={})
    assert asked.status_code in (200, 202)

    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := client.get(f"/collections/{LIBRARY}/map"))["state"] == "wanted":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["state"] == "done", found["detail"]
    found = client.get(f"/collections/{LIBRARY}/map", q="keeping a home warm")
    near = {one["id"] for one in found["map"]["query"]["nearest"]}
    assert "heat-pumps" in near
    assert found["map"]["method"] == "pca+tsne"


@pytest.mark.parametrize(
    ("view", "scheme"),
    [
        pytest.param(DESKTOP, "light", id="desktop-light"),
        pytest.param(PHONE, "dark", id="phone-dark"),
    ],
)
def test_the_pages_are_for_everybody(
    browser: Browser, shown: tuple[str, list[str]], view: dict[str, int], scheme: str
) -> None:
    """Nothing for axe to complain about, and nothing wider than the screen."""
    url, paths = shown
    size = "phone" if view is PHONE else "desktop"
    wrong: dict[str, object] = {}
    context = {"viewport": view, "color_scheme": scheme}
    with visiting(browser, Address(url), answers=(422,), **context) as page:
        for path in paths:
            page.goto(path)
            _settle(page)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if found := [*violations(page), *([f"{wide} pixels too wide"] if wide > 0 else [])]:
                wrong[path] = found
            name = re.sub(r"[^a-z]+", "-", path.partition("?")[0]).strip("-")
            picture(page, f"{name}-{size}-{scheme}")

    assert wrong == {}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of an installation with something of everything, and its pages."""
    with library(tmp_path_factory.mktemp("shown")) as installation:
        long = "A title that does not end " * 12
        installation.add({"id": "long/" + "x" * 90, "title": long, "text": "Long. " * 200})
        installation.add({"id": "rtl", "title": "הספרייה הלאומית", "text": "ספר הוא אוסף של דפים"})
        installation.encoder.refuse("odd")
        bad = installation.add({"id": "bad", "text": "odd"}, {"id": "東京", "text": "図書館"})
        installation.index_all()
        installation.client().post(f"/api/v1{C}/map", json={})
        draw_next(open_studio(installation.services))
        installation.client().put(f"/api/v1{C}/tags/golden", json={"version": 1})
        waiting = installation.add({"id": "w", "text": "waits"})
        installation.new_collection("empty")
        installation.new_collection("gone")
        installation.services.discards.discard("gone")
        paths = [
            "/jobs", f"/jobs/{bad}", f"/jobs/{waiting}",
            f"/jobs/{bad}/batches", "/collections",
            *(f"{C}{tab}" for tab in ("", "/documents", "/versions", "/map", "/index")),
            *(f"/collections/empty{tab}" for tab in ("/documents", "/versions", "/map")),
            f"{C}/documents?filter=lang+%3D", f"{C}/documents/rtl", f"{C}/documents/bad",
            f"{C}/documents/long/{'x' * 90}", f"{C}/versions/golden",
            f"{C}/versions/golden/restore", f"{C}/map?q=warm&by=nothing", f"{C}/settings",
            f"{C}/webhooks",
        ]  # fmt: skip
        with served(installation) as url:
            yield url, paths


def _settle(page: Page) -> None:
    """Wait until what a script draws is drawn."""
    if page.locator("figure.map").count():
        expect(page.locator(".map canvas")).to_be_visible()
