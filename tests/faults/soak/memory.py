"""How much memory each role of a running Lamina holds, over time."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import psutil

from tests.running import RunningLamina

ROLES = ("web", "index", "upkeep", "intake", "broker")
_EVERY_SECONDS = 2.0
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Resident memory of the largest process of a role, megabytes."""

    peak: int
    early: int
    """Median of the first quarter of the run."""
    late: int
    """Median of the last quarter."""


class MemoryWatch:
    """Looks every two seconds, from a thread, until it is closed."""

    def __init__(self, lamina: RunningLamina) -> None:
        self._lamina = lamina
        self._ended = threading.Event()
        self._series: defaultdict[str, list[int]] = defaultdict(list)
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    def close(self) -> Mapping[str, Footprint]:
        """Stop looking; return what each role held."""
        self._ended.set()
        self._thread.join()
        return {role: _footprint(series) for role, series in self._series.items() if series}

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            for role in ROLES:
                sizes = [_resident(pid) for pid in self._lamina.pids(role)]
                if sizes:
                    self._series[role].append(max(sizes) // _MEGABYTE)


def _resident(pid: int) -> int:
    """Return the resident size of a process or of its largest child, whichever is larger."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return max(int(one.memory_info().rss) for one in family)
    except psutil.NoSuchProcess:
        return 0


def _footprint(series: list[int]) -> Footprint:
    quarter = max(1, len(series) // 4)
    return Footprint(
        peak=max(series),
        early=int(median(series[:quarter])),
        late=int(median(series[-quarter:])),
    )
