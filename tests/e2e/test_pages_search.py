"""Search, compare, the first page and Operation as a person uses them, in a real browser."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.axe import violations
from tests.e2e.client import Client
from tests.e2e.conftest import LIBRARY
from tests.e2e.serving import Address, served
from tests.e2e.test_pages import PATIENCE_MS, picture, visiting
from tests.running import RunningLamina
from tests.unit.web.installation import Installation

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def versions(client: Client) -> str:
    """A collection whose second version says something else than its first."""
    name = client.create("versions-to-compare")
    animals = {"octopus": "eight arms", "owl": "sees at night", "whale": "the largest animal"}
    client.add(name, *({"id": one, "title": one, "text": words} for one, words in animals.items()))
    last = client.add(name, {"id": "owl", "title": "owl", "text": "it has eight long arms"})
    client.search(name, "arms", after=last["id"])
    return name


def test_results_come_as_somebody_types_and_the_address_follows(
    browser: Browser, lamina: RunningLamina
) -> None:
    with visiting(browser, lamina, answers=(422,)) as page:
        page.goto(f"/?collection={LIBRARY}")
        page.evaluate("window.neverReloaded = true")
        page.get_by_label("Search for").press_sequentially("keeping a home warm", delay=15)

        expect(page.locator(".hit")).to_have_count(10)
        expect(page.locator(".hit mark").first).to_be_visible()
        expect(page).to_have_url(re.compile(r"q=keeping\+a\+home\+warm"))
        expect(page).to_have_title("keeping a home warm – Lamina")  # noqa: RUF001 - as it is there
        page.get_by_text("More options").click()
        page.get_by_label("Filter on metadata").fill("year >")
        expect(page.locator("#filter-error")).to_contain_text("column 7")
        page.get_by_label("Filter on metadata").fill("year > 0")
        expect(page.locator("#filter-error")).to_have_text("")
        page.get_by_label("Results on a page").fill("3")
        page.get_by_label("Filter on metadata").fill("")
        expect(page.locator(".hit")).to_have_count(3)
        first = page.locator(".hit").first.locator(".id").inner_text()
        title = page.locator(".hit").first.get_by_role("heading").inner_text()
        page.get_by_role("link", name="More like this").first.click()
        expect(page.locator("#found")).to_contain_text(f"Like “{title}”")
        expect(page.locator(".hit")).to_have_count(3)
        assert first not in page.locator(".hit .id").all_inner_texts()
        page.go_back()
        expect(page.get_by_label("Search for")).to_have_value("keeping a home warm")


def test_without_scripts_a_search_is_narrowed_paged_and_shared(
    browser: Browser, lamina: RunningLamina, versions: str
) -> None:
    with visiting(browser, lamina, java_script_enabled=False) as page:
        page.goto(f"/?collection={versions}")
        page.get_by_label("Search for").fill("arms")
        page.get_by_text("More options").click()
        page.get_by_label("Search as of").fill("1")
        page.get_by_label("Results on a page").fill("2")
        page.get_by_role("button", name="Search").click()

        expect(page.locator("#found")).to_have_text("The best 2 documents")
        expect(page.locator(".hit").first.get_by_role("heading")).to_have_text("octopus")
        page.get_by_role("button", name="Next results").click()
        expect(page.locator("#found")).to_have_text("Results 3 to 3")
        shared = page.get_by_role("link", name="Link to just this answer").get_attribute("href")
        assert shared is not None
        assert parse_qs(urlsplit(shared).query)["version"] == ["1"]


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_two_versions_are_compared_side_by_side(
    browser: Browser, lamina: RunningLamina, versions: str, *, scripts: bool
) -> None:
    with visiting(browser, lamina, java_script_enabled=scripts) as page:
        page.goto(f"/search?collection={versions}&q=it+has+eight+long+arms")
        page.get_by_role("link", name="Compare with another").click()
        page.get_by_label("As of").first.fill("1")
        page.get_by_role("button", name="Compare").click()

        after = page.get_by_role("region", name="Second: version 2")
        expect(after.locator("li").first).to_contain_text("owl")
        expect(after.locator("li").first.locator(".move")).to_have_text(re.compile(r"up \d"))
        picture(page, f"compare-{'with' if scripts else 'without'}-scripts")


def test_on_an_empty_installation_the_sample_is_loaded_asked_and_removed_by_a_click_each(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        Installation.open(tmp_path) as installation,
        served(installation) as url,
        visiting(browser, Address(url)) as page,
    ):
        page.goto("/")
        expect(page.get_by_role("heading", name="three ways to begin")).to_be_visible()
        picture(page, "home-empty")
        assert violations(page) == []
        page.get_by_role("button", name="Load the sample").click()
        expect(page.locator("#sample")).to_contain_text("0 of 321 searchable")
        installation.index_all()
        expect(page.locator("#sample")).to_contain_text("All of it is searchable")
        picture(page, "home-sample")
        page.get_by_role("link", name="something to see far away with").click()
        expect(page.locator(".hit")).to_have_count(10)
        page.goto("/")
        page.get_by_role("button", name="Remove the sample").click()
        expect(page.get_by_text("The sample is gone from searches")).to_be_visible()


def test_operation_draws_what_happened_and_says_it_in_words(
    browser: Browser, lamina: RunningLamina
) -> None:
    with visiting(browser, lamina) as page:
        page.goto("/operation")
        expect(page.locator(".plot canvas")).to_have_count(6, timeout=PATIENCE_MS)
        expect(page.locator("#summary-throughput")).to_contain_text("indexed:")
        expect(page.locator("#now")).to_contain_text("Processes")
        page.get_by_role("link", name="Processes", exact=True).click()
        expect(page.locator(".card")).to_have_count(5, timeout=PATIENCE_MS)
    with visiting(browser, lamina, java_script_enabled=False) as page:
        page.goto("/operation")
        expect(page.locator("#summary-throughput")).to_contain_text("indexed:")


def test_every_page_is_for_everybody_and_fits(
    browser: Browser, lamina: RunningLamina, versions: str
) -> None:
    pages = {
        "search-like": f"/search?collection={LIBRARY}&like=heat-pumps&min_score=0.1",
        "search-none": f"/search?collection={LIBRARY}&q=heat&filter=year+%3E+9999",
        "search-refused": f"/search?collection={LIBRARY}&q=heat&filter=year+%3E",
        "compare": f"/compare?collection={versions}&q=eight+long+arms&before=1",
        "operation": "/operation",
        "operation-processes": "/operation/processes",
        "operation-letters": "/operation/dead-letters",
        "operation-why": "/operation/why?key=unknown",
        "operation-health": "/operation/health",
        "operation-keys": "/operation/keys",
        "operation-record": "/operation/record",
        "home": "/",
    }
    wrong: list[str] = []
    wide: dict[str, int] = {}
    with visiting(browser, lamina, answers=(422,)) as page:
        for name, path in pages.items():
            page.set_viewport_size({"width": 1280, "height": 800})
            page.emulate_media(color_scheme="light")
            page.goto(path)
            wrong += [f"{name}: {one}" for one in violations(page)]
            picture(page, f"{name}-desktop-light")
            page.emulate_media(color_scheme="dark")
            wrong += [f"{name}, dark: {one}" for one in violations(page, "color-contrast")]
            page.set_viewport_size({"width": 390, "height": 844})
            picture(page, f"{name}-phone-dark")
            wide[name] = page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert wrong == []
    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}


@pytest.mark.slow  # it encodes all of the sample
def test_the_command_loads_the_sample_which_answers_in_other_words_and_removes_it(
    lamina: RunningLamina,
) -> None:
    loaded = lamina.run("sample")
    assert loaded.returncode == 0, loaded.stderr
    assert "321 documents of sample-nouns searchable." in loaded.stdout
    assert "Princeton University" in loaded.stderr
    for question, noun in (
        ("something to see far away with", "telescope"),
        ("who helps when a child is born", "midwife"),
    ):
        found = lamina.succeed("search", question, "-c", "sample-nouns")
        assert found["hits"][0]["title"] == noun
    twice = lamina.run("sample")
    assert twice.returncode != 0
    assert "already" in twice.stderr
    assert lamina.succeed("sample", "--remove")["name"] == "sample-nouns"
