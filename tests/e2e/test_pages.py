"""The pages as a person uses them, in a real browser: with JavaScript and without, wide and narrow.

Pictures of what was seen lie in `tests/artifacts/`; `docs/search.png` is one of them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect

from tests.e2e.client import Client
from tests.e2e.conftest import LIBRARY
from tests.e2e.serving import Address
from tests.running import RunningLamina

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 60_000

# A violation of the policy is an event of the document; the console says only some of them.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
# Chromium logs each answer that is an error; what a page is for is not a fault of the page.
ERROR_ANSWER = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")

pytestmark = pytest.mark.timeout(400)


@contextmanager
def visiting(
    browser: Browser,
    lamina: RunningLamina | Address,
    *,
    answers: tuple[int, ...] = (),
    **context: Any,
) -> Iterator[Page]:
    """Give a page of a new visitor; whatever its console says in the end fails the test.

    *answers* are the error statuses that the visit is about.
    """
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        known = ERROR_ANSWER.match(message.text)
        if message.type in ("error", "warning") and not (known and int(known[1]) in answers):
            said.append(f"{message.type}: {message.text} ({message.location})")

    def look(response: Response) -> None:
        if response.status >= 400 and response.status not in answers:
            said.append(f"{response.status} for {response.url}")

    def miss(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the visitor went on before it came
            said.append(f"failed: {request.url} {request.failure}")

    with browser.new_context(base_url=lamina.url, **{"viewport": DESKTOP, **context}) as visitor:
        if context.get("java_script_enabled", True):
            visitor.add_init_script(REPORT_VIOLATIONS)
        page = visitor.new_page()
        page.set_default_timeout(20_000)
        page.on("console", listen)
        page.on("response", look)
        page.on("pageerror", lambda error: said.append(f"exception: {error}"))
        page.on("requestfailed", miss)
        yield page
    assert said == []


def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png")


def fill_in(page: Page, **fields: str) -> None:
    """Type into fields by their labels' beginnings."""
    for label, text in fields.items():
        page.get_by_label(re.compile(f"^{label}", re.IGNORECASE)).fill(text)


def search(page: Page, collection: str, words: str) -> None:
    """Search from the first page."""
    page.goto("/")
    page.get_by_label("Search for").fill(words)
    page.get_by_label("Collection").select_option(collection)
    page.get_by_role("button", name="Search").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_person_adds_a_document_watches_it_and_finds_it_in_other_words(
    browser: Browser, lamina: RunningLamina, client: Client, *, scripts: bool
) -> None:
    kind = "with-scripts" if scripts else "without-scripts"
    name = client.create(f"typed-{kind}")
    with visiting(browser, lamina, java_script_enabled=scripts) as page:
        page.goto("/")
        page.get_by_role("link", name="Add", exact=True).click()
        page.get_by_label("Collection").select_option(name)
        fill_in(
            page,
            id=f"typed/{kind}",
            title="Bread <of the poor> & the rich",
            text="Rye keeps for weeks.\n\nWheat goes stale in a day, and costs more.",
            metadata='{"author": "A. Baker", "pages": 12}',
        )
        page.get_by_role("button", name="Add document").click()

        page.wait_for_url(re.compile(r"/jobs/"))
        if scripts:
            page.evaluate("window.neverReloaded = true")
        expect(page.get_by_role("status")).to_contain_text("done", timeout=PATIENCE_MS)
        if scripts:
            assert page.evaluate("window.neverReloaded")
        expect(page.locator(".counts")).to_have_text(re.compile(r"1\s+searchable"))
        picture(page, f"job-{kind}")
        client.search(name, "anything", after=page.url.rpartition("/")[2])
        page.get_by_role("button", name=f"Search {name}").click()
        expect(page.get_by_label("Collection")).to_have_value(name)
        page.get_by_label("Search for").fill("which loaf stays fresh the longest")
        page.get_by_role("button", name="Search").click()

        first = page.locator(".hit").first
        expect(first.get_by_role("heading")).to_have_text("Bread <of the poor> & the rich")
        expect(first.locator(".passage")).to_contain_text("Rye keeps for weeks.")
        expect(first).to_contain_text(f"typed/{kind}")
        expect(first).to_contain_text("A. Baker")


def test_the_page_of_a_job_says_how_long_each_stage_took(
    browser: Browser, lamina: RunningLamina, client: Client
) -> None:
    with visiting(browser, lamina) as page:
        page.goto("/add?collection=default")
        fill_in(page, id="stages", text="How long does each stage take?")
        page.get_by_role("button", name="Add document").click()

        expect(page.get_by_role("status")).to_contain_text("done", timeout=PATIENCE_MS)
        client.search("default", "anything", after=page.url.rpartition("/")[2])
        page.reload()
        expect(page.locator(".stages .reached")).to_have_count(5)
        expect(page.get_by_text("From accepted to searchable")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_wrong_field_is_told_where_it_is_and_what_was_typed_stays(
    browser: Browser, lamina: RunningLamina, *, scripts: bool
) -> None:
    typed = {
        "id": "wrong-1",
        "title": "Täglich <b>Brot</b>",
        "text": "First line.\n\n  Third line, indented & 'quoted'.",
        "metadata": '{"author": oops}',
    }
    with visiting(browser, lamina, answers=(422,), java_script_enabled=scripts) as page:
        page.goto(f"/add?collection={LIBRARY}")
        fill_in(page, **typed)
        page.get_by_role("button", name="Add document").click()

        wrong = page.locator("#metadata")
        expect(wrong).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#metadata-error")).to_contain_text("Is not valid JSON")
        expect(wrong).to_have_accessible_description(re.compile("Is not valid JSON"))
        for field, value in typed.items():
            expect(page.locator(f"#{field}")).to_have_value(value)
        expect(page.get_by_label("Collection")).to_have_value(LIBRARY)
        picture(page, "add-wrong")

        wrong.fill('{"author": "none"}')
        page.get_by_label("Collection").select_option("default")
        page.get_by_role("button", name="Add document").click()
        expect(page.get_by_role("status")).to_contain_text("done", timeout=PATIENCE_MS)


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_collection_made_by_form_is_empty_and_says_how_to_fill_it(
    browser: Browser, lamina: RunningLamina, *, scripts: bool
) -> None:
    name = "by-form" if scripts else "by-plain-form"
    with visiting(browser, lamina, answers=(409,), java_script_enabled=scripts) as page:
        page.goto("/collections")
        fill_in(page, name=name)
        page.get_by_role("button", name="Create collection").click()

        page.wait_for_url(f"**/collections/{name}")
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page.get_by_role("heading", name="No version yet")).to_be_visible()
        picture(page, "collection-empty")
        page.get_by_label(f"Search {name} for").fill("anything")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("heading", name="This version holds no documents")).to_be_visible()

        page.goto("/collections")
        fill_in(page, name=name)
        page.get_by_role("button", name="Create collection").click()
        expect(page.locator("#name")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#name-error")).to_be_visible()


def test_a_search_at_an_old_version_is_a_click_away(
    browser: Browser, lamina: RunningLamina, client: Client
) -> None:
    name = client.create("versions-by-hand")
    client.add(name, {"id": "d", "text": "the old wording"})
    second = client.add(name, {"id": "d", "text": "the new wording"})
    client.search(name, "wording", after=second["id"])
    with visiting(browser, lamina) as page:
        page.goto(f"/collections/{name}")
        page.get_by_role("link", name="Search version 1").click()
        page.get_by_label("Search for").fill("wording")
        page.get_by_role("button", name="Search").click()

        expect(page.locator(".passage")).to_have_text("the old wording")


@pytest.mark.parametrize("view", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_keeps_its_own_policy(
    browser: Browser, lamina: RunningLamina, view: dict[str, int], scheme: str
) -> None:
    size = "phone" if view is PHONE else "desktop"
    wide: dict[str, int] = {}
    with (
        Client(lamina.url) as client,
        visiting(browser, lamina, answers=(404, 422), viewport=view, color_scheme=scheme) as page,
    ):
        job = client.get("/jobs", limit=1)["jobs"][0]["id"]
        for name, path in {
            "home": "/",
            "search": f"/search?collection={LIBRARY}&q=warm+rooms",
            "search-wrong": f"/search?collection={LIBRARY}&q=x&version=99",
            "add": "/add",
            "jobs": "/jobs",
            "job": f"/jobs/{job}",
            "collections": "/collections",
            "collection": f"/collections/{LIBRARY}",
            "sign-in": "/sign-in",
            "missing": "/no/such/page",
        }.items():
            page.goto(path)
            picture(page, f"{name}-{size}-{scheme}")
            wide[name] = page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}


def test_the_page_of_the_api_lists_its_routes(browser: Browser, lamina: RunningLamina) -> None:
    with visiting(browser, lamina) as page:
        page.goto("/")
        page.get_by_role("link", name="API", exact=True).click()

        route = page.get_by_text("/api/v1/collections/{name}/search", exact=True).first
        expect(route).to_be_visible(timeout=PATIENCE_MS)
        picture(page, "api")


def test_the_first_page_is_used_by_keyboard_alone(browser: Browser, lamina: RunningLamina) -> None:
    with visiting(browser, lamina) as page:
        page.goto("/")
        expect(page.get_by_label("Search for")).to_be_focused()
        page.keyboard.type("sea creature with many arms")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Collection")).to_be_focused()
        page.keyboard.type(LIBRARY)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

        expect(page.locator(".hit").first.get_by_role("heading")).to_have_text(
            "Eight arms that think"
        )
        expect(page.get_by_role("button", name="Search")).to_be_focused()
        page.reload()
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()


def test_the_picture_of_the_readme(browser: Browser, lamina: RunningLamina) -> None:
    with visiting(browser, lamina, color_scheme="light") as page:
        search(page, LIBRARY, "keeping a home warm without burning anything")

        hits = page.locator(".hit")
        expect(hits).to_have_count(10)
        found = hits.locator(".id").all_inner_texts()
        picture(page, "search")

    assert set(found[:3]) == {"heat-pumps", "passive-house", "district-heating"}
