import stat
import threading
from pathlib import Path

import pytest

from shared.settings import Settings
from web.security import Gate, host_name
from web.sessions import session_secret


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8000", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("lamina.example.", "lamina.example"),
        ("", ""),
        ("localhost:port", ""),
        ("user@localhost", ""),
        ("evil.example/localhost", ""),
        ("localhost?x", ""),
        ("[::1", ""),
    ],
)
def test_the_name_in_a_host_header_is_read_strictly(host: str, name: str) -> None:
    assert host_name(host) == name


def test_an_address_that_means_every_address_is_no_name() -> None:
    settings = Settings(_env_file=None, host="0.0.0.0", web={"allowed_hosts": ("Search.Example",)})

    assert Gate.of(settings).hosts == {"localhost", "127.0.0.1", "::1", "search.example"}


def test_the_session_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    first = session_secret(folder)

    assert session_secret(folder) == first
    assert len(first) == 64
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == ["secret.key"]


def test_racing_processes_agree_on_the_session_secret(tmp_path: Path) -> None:
    together, secrets = threading.Barrier(8), []

    def ask() -> None:
        together.wait()
        secrets.append(session_secret(tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(secrets) == 8
    assert len(set(secrets)) == 1
