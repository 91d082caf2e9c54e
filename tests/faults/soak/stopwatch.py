"""Times how long jobs take to be searchable, beside the clients, which go on meanwhile."""

import threading
import time
from dataclasses import dataclass

import httpx

from tests.faults.soak.figures import Figures

_EVERY_SECONDS = 0.1
_MOST = 40
"""Jobs timed at once; more would be a load of their own."""
_GIVE_UP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _Timed:
    job: str
    began: float


class Stopwatch:
    """Looks after each timed job ten times a second. `start` is for any thread."""

    def __init__(self, url: str, figures: Figures) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=5, trust_env=False)
        self._figures = figures
        self._lock = threading.Lock()
        self._timed: list[_Timed] = []

    def start(self, job: str, acknowledged: float) -> None:
        """Time a job, unless enough are timed; *acknowledged* is of the monotonic clock."""
        with self._lock:
            if len(self._timed) < _MOST:
                self._timed.append(_Timed(job, acknowledged))

    def run(self, ended: threading.Event) -> None:
        """Look until *ended*; jobs that are not searchable by then are given up."""
        with self._http:
            while not ended.wait(_EVERY_SECONDS):
                with self._lock:
                    timed = tuple(self._timed)
                over = {one for one in timed if self._is_over(one)}
                with self._lock:
                    self._timed = [one for one in self._timed if one not in over]

    def _is_over(self, timed: _Timed) -> bool:
        waited = time.monotonic() - timed.began
        if waited > _GIVE_UP_SECONDS:
            self._figures.fault(f"job {timed.job} was not searchable after {waited:.0f} s")
            return True
        try:
            answer = self._http.get(f"/jobs/{timed.job}")
        except httpx.TransportError:
            return False
        if not answer.is_success:
            return False
        report = answer.json()
        loaded = report["version"] is None or report["stages"]["first_loaded_at"] is not None
        if not (report["finished"] and loaded):
            return False
        self._figures.waited(timed.began, time.monotonic() - timed.began)
        return True
