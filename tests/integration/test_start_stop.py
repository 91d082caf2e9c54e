"""`lamina up` as a user meets it: start, restart, faults of start, and an end without remains."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running import RunningLamina, free_port

ONE_WORKER = {"LAMINA_ENCODING_WORKERS": "1", "LAMINA_ENCODING_NICE": "0"}
GONE_SECONDS = 40.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLamina]:
    """A Lamina that the tests of this module harm and leave whole."""
    with RunningLamina(tmp_path_factory.mktemp("up") / "var", ONE_WORKER) as running:
        yield running


def refusal(folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Return exit code and message of a start that must not succeed."""
    done = RunningLamina(folder, environment).run("up")
    return done.returncode, done.stderr


def test_it_prints_where_it_is_and_how_other_apps_reach_it(lamina: RunningLamina) -> None:
    assert f"Lamina is ready:  {lamina.url}\n" in lamina.terminal
    assert "./run broker-url" in lamina.terminal
    assert str(lamina.data_dir) in lamina.terminal


def test_every_role_runs(lamina: RunningLamina) -> None:
    roles = [one["role"] for one in lamina.state()["processes"]]

    assert roles == ["broker", "intake", "upkeep", "parser", "index", "web"]
    assert all(lamina.pids(role) for role in roles)


@pytest.mark.parametrize(
    "role", ["index", "upkeep", "intake", "broker", pytest.param("web", marks=pytest.mark.slow)]
)
def test_a_killed_process_is_started_again(lamina: RunningLamina, role: str) -> None:
    killed = lamina.kill(role)

    assert lamina.wait_for_another(role, killed) != killed
    assert "was ended by SIGKILL; starting it again" in lamina.terminal


def test_a_second_start_on_the_same_folder_says_who_has_it(lamina: RunningLamina) -> None:
    code, message = refusal(lamina.data_dir, {})

    assert code == 2
    assert f"process {lamina.supervisor_pid}" in message
    assert "LAMINA_DATA_DIR" in message


def test_it_refuses_to_be_reachable_without_a_key(tmp_path: Path) -> None:
    code, message = refusal(tmp_path / "var", {"LAMINA_HOST": "0.0.0.0"})

    assert code == 2
    assert "LAMINA_ADMIN_KEY" in message


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = str(other.getsockname()[1])
        code, message = refusal(tmp_path / "var", {"LAMINA_PORT": port})

    assert code == 2
    assert port in message
    assert "LAMINA_PORT" in message


def test_a_taken_broker_port_is_named_with_its_setting(lamina: RunningLamina) -> None:
    port = lamina.environment["LAMINA_BROKER_PORT"]
    other = RunningLamina(lamina.data_dir.parent / "other", {"LAMINA_BROKER_PORT": port})
    with pytest.raises(AssertionError, match="LAMINA_BROKER_PORT"):
        other.start()

    other.wait_until_gone(5)


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    code, message = refusal(tmp_path / "var", {"LAMINA_ENCODING_WORKERS": "none"})

    assert code == 2
    assert "LAMINA_ENCODING_WORKERS" in message


# The tests below stop and start the Lamina of this module, and the last one leaves it stopped.


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_process_and_loses_no_data(lamina: RunningLamina) -> None:
    add_whale(lamina)
    lamina.kill_supervisor()
    lamina.wait_until_gone(GONE_SECONDS)

    lamina.start()

    assert find(lamina, "a mammal that swims") == "whale"


def test_a_stop_ends_everything_and_a_second_start_finds_all_again(lamina: RunningLamina) -> None:
    add_whale(lamina)
    assert lamina.stop() == 0
    assert not (lamina.data_dir / "run.json").exists()

    lamina.start()

    assert find(lamina, "a mammal that swims") == "whale"


def test_a_second_interrupt_ends_everything_at_once(lamina: RunningLamina) -> None:
    frozen = lamina.pids("web")[0]
    os.kill(frozen, signal.SIGSTOP)  # so that it cannot end by itself
    os.kill(lamina.supervisor_pid, signal.SIGINT)
    deadline = time.monotonic() + 60
    while "Stopping" not in lamina.terminal:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert lamina.stop(signal.SIGINT) == 0

    assert "did not end in" not in lamina.terminal, "it did not wait for the frozen one"


def add_whale(lamina: RunningLamina) -> None:
    """Have the default collection hold one document."""
    lamina.succeed("add", "-", stdin=b'{"id": "whale", "text": "The whale is a mammal."}')


def find(lamina: RunningLamina, query: str) -> str:
    """Return the id of the best hit in the default collection."""
    answer = httpx.get(
        f"{lamina.url}/api/v1/collections/default/search", params={"q": query, "k": 1}, timeout=60
    )
    answer.raise_for_status()
    found: str = answer.json()["hits"][0]["id"]
    return found
