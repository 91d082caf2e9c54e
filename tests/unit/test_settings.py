"""Settings that depend on where a command is called from."""

from pathlib import Path

import pytest

from shared.settings import ROOT, Settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LAMINA_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_data_folder_is_the_same_from_everywhere() -> None:
    assert Settings().data_dir == ROOT / "var"


def test_a_relative_data_folder_is_inside_lamina_s_own() -> None:
    assert Settings(data_dir=Path("data")).data_dir == ROOT / "data"


def test_an_absolute_data_folder_stays(elsewhere: Path) -> None:
    assert Settings(data_dir=elsewhere).data_dir == elsewhere


def test_a_file_of_settings_in_the_working_folder_counts(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("LAMINA_PORT=9123\n")

    assert Settings().port == 9123
