"""`lamina add FOLDER` and `lamina files`, against a Lamina of one process."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.cli.commands import app
from shared.services import file_limits, open_mill
from tests.e2e.serving import served
from tests.mills import parse_all, pdf, pen
from tests.unit.web.installation import Installation


@pytest.fixture
def lamina(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    over = threading.Event()
    with Installation.open(tmp_path / "var") as installation:
        installation.services.collections.configure("c", keep_originals=True)
        limits = file_limits(installation.services.settings)
        mill = replace(open_mill(installation.services), reader=pen(limits))

        def work() -> None:
            while not over.wait(0.05):
                parse_all(mill)
                installation.index_all()

        worker = threading.Thread(target=work)
        worker.start()
        with served(installation) as url:
            monkeypatch.setenv("LAMINA_URL", url)
            yield installation
        over.set()
        worker.join()


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_a_folder_is_read_by_lamina_and_told_file_by_file(
    lamina: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    (folder / "2026" / ".git").mkdir(parents=True)
    (folder / "2026" / ".git" / "config").write_text("hidden")
    book = pdf(["Whales sing.", "Whales dive."])
    (folder / "2026" / "whales.pdf").write_bytes(book)
    (folder / "goods.csv").write_text("nr,name,remark\n1,Steel,hard\n2,Silk,soft\n")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 picture")

    told = run("add", str(folder), "-c", "c", "--title-column", "name", "--id-column", "nr", code=1)

    assert "2 files accepted: 3 documents" in told
    assert "papers/photo.jpg: It is a JPEG picture." in told
    assert lamina.services.records.document("c", "1").title == "Steel"
    (job,) = lamina.services.records.jobs(limit=10)
    listed = run("files", "list", job.id)
    assert "papers/2026/whales.pdf" in listed
    assert "hidden" not in listed
    target = tmp_path / "back.pdf"
    run("files", "original", "papers/2026/whales.pdf", "-c", "c", "-o", str(target))
    assert target.read_bytes() == book
    preview = run("files", "preview", str(folder / "2026" / "whales.pdf"), "-c", "c")
    assert "page" in preview
    assert "1 passage" in preview
    run("add", str(folder), str(tmp_path / "x.jsonl"), "-c", "c", code=2)
    run("add", str(tmp_path / "none.pdf"), "-c", "c", code=2)
