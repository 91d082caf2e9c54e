"""`lamina export`, `import` and `backup` as an operator runs them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.settings import child_environment
from tests.command_line import run_command
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        for number in range(3):
            opened.add({"id": f"d{number}", "text": f"text {number}"})
            opened.index_all()
        yield opened


def lamina(folder: Path, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command on the data folder *folder*, from another working folder."""
    environment = child_environment(LAMINA_DATA_DIR=str(folder))
    done = run_command(*map(str, words), environment=environment, folder=folder)
    assert done.returncode == code, done.stderr
    return done


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_export_says_what_it_wrote(world: World, tmp_path: Path) -> None:
    told = answer(lamina(tmp_path, "export", "c", "c.tar.gz", "--version", "2", "--json"))
    assert (told["version"], told["documents"], told["vectors"]) == (2, 2, 2)
    assert told["bytes"] == (tmp_path / "c.tar.gz").stat().st_size

    refused = lamina(tmp_path, "export", "c", "c.tar.gz", code=2)
    assert "c.tar.gz exists" in refused.stderr
    assert "No collection" in lamina(tmp_path, "export", "none", "n.tar", code=2).stderr
    assert not (tmp_path / "n.tar").exists()


def test_import_says_which_model_is_missing(world: World, tmp_path: Path) -> None:
    lamina(tmp_path, "export", "c", "c.tar")

    refused = lamina(tmp_path, "import", "c.tar", "--collection", "copy", code=2)
    assert "lamina models pull lamina/hash" in refused.stderr
    refused = lamina(tmp_path, "import", "index.faiss", "-c", "c", code=1)
    assert "never imported" in refused.stderr
    (tmp_path / "rows.jsonl").write_text('{"id": "new", "text": "fresh"}\n')
    assert "--collection" in lamina(tmp_path, "import", "rows.jsonl", code=2).stderr
    told = answer(lamina(tmp_path, "import", "rows.jsonl", "-c", "c", "--json"))
    assert told == {"collection": "c", "counts": {"pending": 1}, "waiting": 1}
    world.index_all()
    assert world.found("fresh")[0] == "new"


def test_a_backup_is_saved_checked_and_loaded(world: World, tmp_path: Path) -> None:
    saved = answer(lamina(tmp_path, "backup", "save", "backup", "--json"))
    assert saved["versions"] == 3
    assert answer(lamina(tmp_path, "backup", "save", "backup", "--json"))["copied"] == 0
    assert "all of it is good" in lamina(tmp_path, "backup", "check", "backup").stdout

    new = tmp_path / "new"
    new.mkdir()
    lamina(new, "backup", "load", tmp_path / "backup")
    with World.open(new) as copy:
        assert copy.found("text 1") == world.found("text 1")
    again = lamina(new, "backup", "load", tmp_path / "backup", code=2)
    assert "catalog already" in again.stderr

    next((tmp_path / "backup" / "index").rglob("data.faiss")).unlink()
    assert "data.faiss" in lamina(tmp_path, "backup", "check", "backup", code=1).stderr
