"""`./run` where Python is missing, too old, or without its venv module; and what it installs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ("cat", "cksum", "dirname", "mkdir", "rm", "sh", "sleep", "tr", "uname")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with `run`, its locks, and a PATH (`bin`) without any Python."""
    for name in ("run", "requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def put_python(checkout: Path, name: str, version: str, *, venv: bool = True) -> None:
    """Put a Python on the PATH that answers only what `run` asks before it installs."""
    major, minor = version.split(".")
    supported = (3, 11) <= (int(major), int(minor)) < (3, 15)
    script = checkout / "bin" / name
    script.write_text(
        "#!/bin/sh\n"
        'case "$2" in\n'
        f"  *print*) echo {version} ;;\n"
        f"  *exit*) exit {int(not supported)} ;;\n"
        f"  *ensurepip*) exit {int(not venv)} ;;\n"
        f"  *) echo 'venv with {name}' >&2; exit 77 ;;\n"
        "esac\n"
        '[ "$1" != -V ] || echo it\n'
    )
    script.chmod(0o755)


def run(checkout: Path) -> tuple[int, str]:
    done = subprocess.run(
        [str(checkout / "run"), "status"],
        env={"PATH": str(checkout / "bin"), "HOME": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not (checkout / ".venv.lock").exists(), "the lock was left behind"
    return done.returncode, done.stderr


def test_no_python_is_said(checkout: Path) -> None:
    code, message = run(checkout)

    assert code == 1
    assert "no Python was found; Lamina needs Python 3.11 to 3.14" in message


def test_an_old_python_is_named(checkout: Path) -> None:
    put_python(checkout, "python3", "3.9")

    assert "Python 3.9 is here, but Lamina needs Python 3.11 to 3.14" in run(checkout)[1]


def test_a_python_without_venv_is_named_with_the_package_that_is_missing(checkout: Path) -> None:
    put_python(checkout, "python3", "3.13", venv=False)

    message = run(checkout)[1]

    assert "ensurepip is missing" in message
    assert "sudo apt install python3.13-venv" in message


def test_a_shim_that_runs_nothing_is_passed_over_and_the_newest_good_one_is_taken(
    checkout: Path,
) -> None:
    for name, version in (("python3.12", "3.12"), ("python3.11", "3.11"), ("python3", "3.15")):
        put_python(checkout, name, version)
    shim = checkout / "bin" / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)

    assert "venv with python3.12" in run(checkout)[1]


def test_an_interrupted_installation_begins_anew(checkout: Path) -> None:
    put_python(checkout, "python3.12", "3.12")
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installing").touch()
    (checkout / ".venv" / "half").touch()
    (checkout / ".venv.lock").mkdir()
    (checkout / ".venv.lock" / "pid").write_text("999999999\n")

    assert "venv with python3.12" in run(checkout)[1]
    assert not (checkout / ".venv" / "half").exists()
    assert (checkout / ".venv" / ".installing").exists()


@pytest.mark.parametrize("script", ["run", ".ci/run"])
def test_scripts_are_posix_shell_and_executable(script: str) -> None:
    path = ROOT / script

    assert os.access(path, os.X_OK)
    assert subprocess.run(["/bin/sh", "-n", str(path)], check=False).returncode == 0
