"""The data folder while Lamina runs on it: its lock, and who runs (`run.json`)."""

import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError

_LEFTOVER_SECONDS = 30.0


def lock(folder: Path) -> int:
    """Make *folder* if needed and take it for this process; return the lock's descriptor.

    Children inherit the descriptor, so that the folder is free only when all of them are gone.
    After a supervisor was killed its children need a moment to end, which is waited for.

    Raises:
        ConfigurationError: another Lamina has it, or the folder cannot be written.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigurationError(f"LAMINA_DATA_DIR={folder} cannot be used: {error}") from error
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = path.read_text(encoding="ascii").strip()
            if _is_alive(holder) or time.monotonic() > deadline:
                os.close(descriptor)
                raise ConfigurationError(
                    f"Lamina is running on {folder.absolute()} already (process {holder}). Stop "
                    "it, or choose another folder with LAMINA_DATA_DIR."
                ) from error
            time.sleep(0.1)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return descriptor


def _is_alive(pid: str) -> bool:
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_state(folder: Path, *, url: str, processes: Sequence[Mapping[str, Any]]) -> None:
    """Say in `run.json` where Lamina answers and which process does what."""
    state = {"pid": os.getpid(), "url": url, "processes": list(processes)}
    draft = folder / "run.json.draft"
    draft.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    draft.replace(folder / "run.json")


def remove_state(folder: Path) -> None:
    """Say that nothing runs."""
    with suppress(FileNotFoundError):
        (folder / "run.json").unlink()
