"""Files brought as a person brings them, in a real browser: chosen, looked at, mapped, added."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from shared.services import file_limits, open_mill
from tests.e2e.axe import violations
from tests.e2e.serving import Address, served
from tests.e2e.test_pages import ARTIFACTS, PATIENCE_MS, picture, visiting
from tests.mills import archive, parse_all, pdf, pen
from tests.unit.web.installation import Installation

pytestmark = pytest.mark.timeout(200)

TABLE = (
    b"nr;heading;remark;year\n"
    b"1;Steel;Hard and heavy, for bridges;1990\n"
    b"2;Silk;Soft and light, for robes;2004\n"
)
LONG_NAME = f"תוכנית-ארוכה-{'מאוד-' * 12}計画.md"
NOTES = "# 計画\n\n鯨は冷たい海で歌う。\n\n## שלום\n\nמילים אחדות"  # noqa: RUF001 - Hebrew
PAGES = [
    f"Page {n} tells of whales. " + "They sing and dive in the cold sea. " * 12 for n in (1, 2, 3)
]
FILES = [
    ("whales.pdf", "application/pdf", pdf(PAGES, title="Of whales")),
    ("goods.csv", "text/csv", TABLE),
    (LONG_NAME, "text/markdown", NOTES.encode()),
    ("notes.zip", "application/zip", archive({"a.txt": b"Ropes", "b.png": b"\x89PNG\r\n\x1a\n"})),
    ("photo.jpg", "image/jpeg", b"\xff\xd8\xff\xe0 picture"),
]  # fmt: skip
# What a browser does when files are dragged over the area or let go there; bytes are Latin-1.
DRAG = """({ kinds, files }) => {
  const carried = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    carried.items.add(new File([bytes], name));
  }
  const over = document.querySelector("[data-drop] p");
  for (const kind of kinds) {
    const about = { bubbles: true, cancelable: true, dataTransfer: carried };
    over.dispatchEvent(new DragEvent(kind, about));
  }
}"""


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("add")
    with Installation.open(folder) as installation:
        yield installation


@pytest.fixture(scope="module")
def address(lamina: Installation) -> Iterator[Address]:
    """Where the pages are; beside them a parser and a worker work."""
    over = threading.Event()
    mill = replace(open_mill(lamina.services), reader=pen(file_limits(lamina.services.settings)))

    def work() -> None:
        while not over.wait(0.1):
            parse_all(mill)
            lamina.index_all()

    worker = threading.Thread(target=work)
    worker.start()
    with served(lamina) as url:
        yield Address(url)
    over.set()
    worker.join()


def payload(wanted: str = "") -> list[FilePayload]:
    return [
        FilePayload(name=name, mimeType=kind, buffer=raw)
        for name, kind, raw in FILES
        if wanted in name
    ]


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_files_are_looked_at_mapped_and_added(
    browser: Browser, address: Address, lamina: Installation, *, scripts: bool
) -> None:
    with visiting(browser, address, java_script_enabled=scripts) as page:
        page.goto("/add?collection=c")
        page.get_by_role("link", name="Bring files").click()
        page.get_by_label("Files", exact=True).set_input_files(payload())
        if scripts:
            expect(page.locator("[data-chosen] li")).to_have_count(len(FILES))
            picture(page, "add-files-chosen")
        page.get_by_role("button", name="Look at them first").click()

        cards = page.locator(".file")
        expect(cards).to_have_count(5)
        expect(cards.nth(0)).to_contain_text("page 1")
        expect(cards.nth(0)).to_contain_text(re.compile(r"\d+ passages · [\d,]+ tokens"))
        expect(cards.nth(3)).to_contain_text("Left out")
        expect(cards.nth(4)).to_contain_text("refused")
        expect(cards.nth(4)).to_contain_text("JPEG picture")
        table = cards.nth(1)
        expect(table.get_by_label("Text")).to_have_values(["remark"])
        table.get_by_label("Title").select_option("heading")
        table.get_by_label("Id").select_option("nr")
        table.get_by_role("button", name="Look again").click()
        expect(page.locator(".file").nth(1)).to_contain_text("Steel")
        picture(page, f"add-review-{'with' if scripts else 'without'}-scripts")
        page.get_by_role("button", name="Add 4 files").click()

        expect(page.get_by_role("status").first).to_contain_text("done", timeout=PATIENCE_MS)
        expect(page.locator(".read-files")).to_contain_text("5 of 5 files read")
        picture(page, "job-files")
        document = lamina.services.records.document("c", "2")
        assert (document.title, document.text) == ("Silk", "Soft and light, for robes")
        assert document.metadata["year"] == 2004


def test_what_cannot_be_taken_is_told_beside_what_was(browser: Browser, address: Address) -> None:
    with visiting(browser, address, answers=(422,)) as page:
        page.goto("/add/files?collection=c")
        page.get_by_role("button", name="Add files").click()
        expect(page.locator("#files-error")).to_contain_text("at least one file")
        page.get_by_label("Files", exact=True).set_input_files(payload("photo.jpg"))
        page.get_by_role("button", name="Add files").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("0 files taken, 1 not")
        expect(page.locator(".file")).to_contain_text("JPEG picture")
        page.get_by_role("button", name="Choose others").click()
        page.get_by_label("Files", exact=True).set_input_files(
            [*payload("photo.jpg"), *payload("whales.pdf")]
        )
        page.get_by_role("button", name="Add files").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("1 file taken, 1 not")
        picture(page, "add-verdicts")
        page.get_by_role("button", name="Follow the job").click()
        expect(page.get_by_role("status").first).to_contain_text("done", timeout=PATIENCE_MS)


def test_files_that_are_dropped_are_listed_and_taken_but_for_those_that_cannot_be(
    browser: Browser, address: Address, lamina: Installation
) -> None:
    dropped = [["ropes.txt", "Ropes hold ships"], ["sails.md", "# Sails\n\nCloth"]]
    more = [["photo.jpg", "\xff\xd8\xff\xe0 picture"], ["ropes.txt", "Ropes hold boats"]]
    with visiting(browser, address) as page:
        page.goto("/add/files?collection=c")
        area = page.locator("[data-drop]")
        page.evaluate(DRAG, {"kinds": ["dragenter", "dragover"], "files": dropped})
        expect(area).to_have_class(re.compile("over"))
        page.evaluate(DRAG, {"kinds": ["drop"], "files": dropped})
        expect(area).not_to_have_class(re.compile("over"))
        page.evaluate(DRAG, {"kinds": ["dragover", "drop"], "files": more})
        chosen = page.locator("[data-chosen] li")
        expect(chosen).to_have_count(3)
        expect(chosen.first).to_contain_text("ropes.txt")
        picture(page, "add-files-dropped")
        page.get_by_role("button", name="Add files").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("2 files taken, 1 not")
        refused = page.locator(".file.refused")
        expect(refused).to_contain_text("photo.jpg")
        expect(refused).to_contain_text("JPEG picture")
        page.get_by_role("button", name="Follow the job").click()
        expect(page.get_by_role("status").first).to_contain_text("done", timeout=PATIENCE_MS)
        assert lamina.services.records.document("c", "ropes.txt").text == "Ropes hold boats"


def test_the_pages_of_files_are_for_everybody(browser: Browser, address: Address) -> None:
    """At desktop and phone width, in light and dark: nothing for axe to complain about."""
    for width, scheme in ((1280, "light"), (390, "dark")):
        view = {"width": width, "height": 900}
        with visiting(browser, address, color_scheme=scheme, viewport=view) as page:
            page.goto("/add/files?collection=c")
            assert violations(page) == []
            picture(page, f"add-files-{width}-{scheme}")
            page.get_by_label("Files", exact=True).set_input_files(payload())
            page.get_by_role("button", name="Look at them first").click()
            expect(page.locator(".file")).to_have_count(5)
            assert violations(page) == []
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, "the page is wider than the screen"
            page.screenshot(path=ARTIFACTS / f"add-review-{width}-{scheme}.png", full_page=True)
            page.goto("/add?collection=c")
            page.get_by_label("Text", exact=True).fill("\n\n".join(PAGES))
            page.get_by_label("Title").fill("Whales")
            page.get_by_role("button", name="Preview").click()
            expect(page.locator(".preview .passages li").nth(1)).to_be_visible()
            expect(page.get_by_label("Title")).to_have_value("Whales")
            assert violations(page) == []
            picture(page, f"add-preview-{width}-{scheme}")
