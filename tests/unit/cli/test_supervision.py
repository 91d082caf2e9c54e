"""The small parts of the supervisor that need no processes, or trifling ones."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.cli import data_folder, logs
from shared.cli.broker_server import find_program, open_broker
from shared.cli.children import Child, Program, delay_seconds, rotate
from shared.cli.deaths import Death, in_words, obituary
from shared.cli.programs import free_port, own_programs
from shared.errors import ConfigurationError
from shared.settings import ROOT, Settings


def test_the_first_restart_is_at_once_and_later_ones_take_longer_up_to_a_limit() -> None:
    delays = [delay_seconds(deaths) for deaths in range(1, 10)]

    assert delays[:4] == [0, 0.5, 1, 2]
    assert delays == sorted(delays)
    assert delays[-1] == 30


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (86, "because its encoder hung"),
        (3, "exit code 3"),
        (-9, "SIGKILL"),
        (-250, "signal 250"),
    ],
)
def test_how_a_process_ended_is_said_in_words(code: int, words: str) -> None:
    assert words in in_words(code)


def child(tmp_path: Path, script: str) -> Child:
    program = Program(
        name="it", role="index", command=[sys.executable, "-c", script], environment={}
    )
    return Child(program, logs=tmp_path, descriptors=())


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_writes_its_log_and_its_death_is_found_once(tmp_path: Path) -> None:
    it = child(tmp_path, "print('hello'); raise SystemExit(3)")
    it.start()
    pid = it.pid
    wait_for(it.has_ended)

    assert it.find_death() == Death(pid or 0, 3, young=1)
    assert it.find_death() is None
    assert it.pid is None
    assert (tmp_path / "it.log").read_text() == "hello\n"


def test_one_that_dies_young_again_and_again_waits_longer_and_is_said_once(tmp_path: Path) -> None:
    it = child(tmp_path, "print('no such luck'); raise SystemExit(1)")
    said: list[str] = []
    waits: list[float] = []
    for _ in range(5):
        it.start()
        wait_for(it.has_ended)
        death = it.find_death()
        assert death
        waits.append(round(it.next_start_at - time.monotonic(), 1))
        said += obituary("it", death, it.log, 1.0)

    assert [max(0.0, one) for one in waits] == [0, 0.5, 1, 2, 4]
    assert len([line for line in said if "starting it again" in line]) == 3
    assert len([line for line in said if "keeps dying" in line]) == 1
    assert said[-1] == "  no such luck"
    assert it.loops


def test_one_that_lived_long_enough_starts_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.cli.children._YOUNG_SECONDS", 0.0)
    it = child(tmp_path, "")
    for _ in range(4):  # as an index worker that grew too large
        it.start()
        wait_for(it.has_ended)
        death = it.find_death()
        assert death
        assert (death.code, death.young) == (0, 0)
        assert it.next_start_at <= time.monotonic()
        assert len(obituary("it", death, it.log, 0.0)) == 1


def test_one_that_lives_after_a_loop_is_said_to_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = child(
        tmp_path,
        "import pathlib, time\n"
        f"seen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
        "runs = len(seen.read_text()) if seen.exists() else 0\n"
        "seen.write_text('x' * (runs + 1))\n"
        "time.sleep(300 * (runs >= 3))",
    )
    for _ in range(3):
        it.start()
        wait_for(it.has_ended)
        it.find_death()
    it.start()
    assert it.loops
    assert not it.recovered, "it is too young for that"
    monkeypatch.setattr("shared.cli.children._YOUNG_SECONDS", 0.0)
    assert it.recovered
    assert not it.recovered
    assert not it.loops
    it.kill()


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    it = child(
        tmp_path,
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']).pid,"
        " flush=True)\n"
        "time.sleep(300)",
    )
    it.start()
    log = tmp_path / "it.log"
    wait_for(lambda: log.read_text().endswith("\n"))
    it.kill()

    grandchild = int(log.read_text())
    wait_for(lambda: not is_alive(grandchild))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_guarded_program_dies_with_its_parent(tmp_path: Path) -> None:
    guard = Path(data_folder.__file__).with_name("guard.py")
    script = (
        "import os, subprocess, sys, time\n"
        f"guarded = [sys.executable, '-I', '-S', {str(guard)!r}, str(os.getpid()), '0',"
        " '/bin/sleep', '300']\n"
        "print(subprocess.Popen(guarded).pid, flush=True)\n"
        "time.sleep(300)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    guarded = int(parent.stdout.readline())
    wait_for(lambda: "sleep" in Path(f"/proc/{guarded}/cmdline").read_text().split("\0")[0])

    parent.kill()
    parent.communicate()

    wait_for(lambda: not is_alive(guarded))


def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.cli.children._LOG_BYTES", 5)
    log = tmp_path / "it.log"
    log.write_text("small")
    rotate(log)
    assert log.exists()

    log.write_text("too large")
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "it.log.1").read_text() == "too large"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "info", "event": "ready"}', None),
        (
            '{"level": "error", "event": "it broke", "pid": 5, "logger": "x"}',
            "error: it broke pid=5",
        ),
        ('{"level": "info", "event": "the word ERROR in an info"}', None),
        ("[2026-11-22] [7] [ERROR] Worker failed", "[2026-11-22] [7] [ERROR] Worker failed"),
        ("all is well", None),
        ('{"not a log line": "WARNING"}', '{"not a log line": "WARNING"}'),
        ("# WARNING Memory overcommit must be enabled! Without it, …", None),
    ],
)
def test_only_warnings_and_errors_reach_the_terminal(line: str, shown: str | None) -> None:
    assert logs.serious(line) == shown


def test_a_log_is_followed_from_its_end_over_half_lines_and_rotation(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    log.write_text("ERROR old\n")
    watch = logs.LogWatch(log)
    assert watch.new_warnings() == []

    with log.open("a") as file:
        file.write("ERROR new\nERROR ha")
    assert watch.new_warnings() == ["ERROR new"]

    with log.open("a") as file:
        file.write("lf\n")
    assert watch.new_warnings() == ["ERROR half"]

    log.write_text("ERROR x\n")
    assert watch.new_warnings() == ["ERROR x"]

    log.write_text("ERROR y\n" * 100)
    assert len(watch.new_warnings()) == 6


def test_one_process_at_a_time_has_a_data_folder(tmp_path: Path) -> None:
    held = data_folder.lock(tmp_path / "var")
    try:
        with pytest.raises(ConfigurationError, match=f"process {os.getpid()}"):
            data_folder.lock(tmp_path / "var")
    finally:
        os.close(held)

    os.close(data_folder.lock(tmp_path / "var"))


def test_children_keep_the_folder_locked_until_they_are_gone(tmp_path: Path) -> None:
    held = data_folder.lock(tmp_path)
    # The holder is dead and its child still ends: a start waits for the child.
    (tmp_path / "lock").write_text("999999999\n")
    sleeper = subprocess.Popen(["/bin/sleep", "300"], pass_fds=[held])
    os.close(held)
    os.kill(sleeper.pid, signal.SIGSTOP)
    started = time.monotonic()
    stopper = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.5; kill -9 {sleeper.pid}"])

    os.close(data_folder.lock(tmp_path))

    assert time.monotonic() - started > 0.3
    assert sleeper.wait() == -signal.SIGKILL
    stopper.wait()


def test_the_broker_keeps_its_passwords_to_itself(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    server = open_broker(settings)
    config = Path(server.command()[1])

    assert open_broker(settings).passwords == server.passwords
    assert server.passwords.lamina != server.passwords.producer
    for path in (config, tmp_path / "broker" / "passwords.json"):
        assert path.stat().st_mode & 0o077 == 0
    assert f"user default reset on >{server.passwords.producer} resetchannels" in config.read_text()
    assert server.passwords.lamina not in server.producer_url


def test_there_is_always_a_server_program() -> None:
    assert os.access(find_program(), os.X_OK)


def test_children_get_absolute_folders_one_thread_and_the_brokers_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # what is relative is inside Lamina's own folder all the same
    settings = Settings(
        data_dir=Path("var"),
        encoding={"workers": 3},
        _env_file=None,
    )
    programs = own_programs(settings, port=8123, broker_url="redis://x", lifeline=9)

    workers = ["index", "index", "index"]
    assert [one.role for one in programs] == ["intake", "upkeep", "parser", *workers, "web"]
    assert len({one.name for one in programs}) == len(programs)
    for program in programs:
        assert program.environment["LAMINA_DATA_DIR"] == str(ROOT / "var")
        assert program.environment["LAMINA_BROKER_URL"] == "redis://x"
        assert program.environment["LAMINA_PORT"] == "8123"
        assert program.environment["OMP_NUM_THREADS"] == "1"
        assert list(program.command[-2:]) == ["--parent-fd", "9"]


def test_port_zero_means_any_free_port() -> None:
    assert free_port("127.0.0.1", 0, "LAMINA_PORT") > 0

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigurationError, match="LAMINA_PORT"),
    ):
        free_port("127.0.0.1", taken.getsockname()[1], "LAMINA_PORT")


def test_the_state_file_says_who_runs(tmp_path: Path) -> None:
    data_folder.write_state(tmp_path, url="http://x", processes=[{"role": "web", "pid": 1}])
    state = json.loads((tmp_path / "run.json").read_text())

    assert state == {
        "pid": os.getpid(),
        "url": "http://x",
        "processes": [{"role": "web", "pid": 1}],
    }
    data_folder.remove_state(tmp_path)
    data_folder.remove_state(tmp_path)
    assert not (tmp_path / "run.json").exists()
