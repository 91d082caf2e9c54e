"""Show on the terminal what the children's logs say that a person should know."""

import json
import re
from pathlib import Path

_SERIOUS = frozenset({"warning", "error", "critical"})
_WORD = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")
_SHOWN = 5
_READ_BYTES = 1_000_000


class LogWatch:
    """The new lines of one log file; begins at the file's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_warnings(self) -> list[str]:
        """Return warnings and errors written since the last call, a few at most."""
        found = [text for line in self._new_lines() if (text := serious(line))]
        if len(found) > _SHOWN:
            left = len(found) - _SHOWN
            return [*found[:_SHOWN], f"and {left} more, in {self._path}"]
        return found

    def _new_lines(self) -> list[str]:
        try:
            with self._path.open("rb") as log:
                if log.seek(0, 2) < self._place:  # the file was put aside
                    self._place, self._rest = 0, b""
                log.seek(self._place)
                new = log.read(_READ_BYTES)
        except FileNotFoundError:
            return []
        self._place += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]


def serious(line: str) -> str | None:
    """Return what *line* says if it is a warning or worse, JSON log lines as text; else None."""
    if line.startswith("{"):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict) and "level" in entry:
            if str(entry["level"]).lower() not in _SERIOUS:
                return None
            rest = " ".join(
                f"{name}={value}" for name, value in entry.items() if name not in _NOT_SHOWN
            )
            event = str(entry.get("event", "")).partition("\n")[0]
            return f"{entry['level']}: {event} {rest}".strip()
    is_serious = _WORD.search(line) and not any(words in line for words in _HARMLESS)
    return line.strip() if is_serious else None


_HARMLESS = ("Memory overcommit must be enabled",)
"""Advice of the broker for large data sets that save in the background; ours does neither."""
_NOT_SHOWN = frozenset({"level", "event", "timestamp", "logger", "exception"})


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log; empty if there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - 20_000))
            return log.read().decode("utf-8", "replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
