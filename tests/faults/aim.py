"""Catch an index worker in the middle of its work, so that a kill hits where it hurts."""

import os
import random
import signal
import time
from collections import Counter

from sqlalchemy import text

from shared.catalog import Database
from shared.errors import Retryable
from tests.running import RunningLamina

_CATCH_SECONDS = 10.0
"""How long a worker in mid-encode or mid-publish is looked for before any one is taken."""
_START_SECONDS = 60.0


class Aim:
    """Finds processes of a running Lamina to harm, and knows what index workers were doing."""

    def __init__(self, lamina: RunningLamina, catalog: Database, chance: random.Random) -> None:
        self.at: Counter[str] = Counter()
        """What the index workers that were caught were doing."""
        self._lamina = lamina
        self._catalog = catalog
        self._chance = chance

    def any(self, role: str) -> int:
        """Return a process of a role; wait for one if there is none just now."""
        deadline = time.monotonic() + _START_SECONDS
        while not (pids := self._lamina.pids(role)):
            assert time.monotonic() < deadline, f"there is no process of the role {role}"
            time.sleep(0.05)
        return self._chance.choice(pids)

    def catch(self) -> tuple[int, str]:
        """Stop index workers again and again until one is at what is wanted; it stays stopped.

        Returns:
            Its pid, and what it was doing: `encode`, `publish`, `idle`, or `unknown`.
        """
        wanted = "publish" if self.at["encode"] > self.at["publish"] else "encode"
        deadline = time.monotonic() + _CATCH_SECONDS
        while True:
            pid = self.any("index")
            try:
                os.kill(pid, signal.SIGSTOP)
                doing = self._doing(pid)
                if doing == wanted or time.monotonic() > deadline:
                    self.at[doing] += 1
                    return pid, doing
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue
            time.sleep(self._chance.uniform(0.002, 0.02))

    def _doing(self, pid: int) -> str:
        """Ask the catalog: an active attempt is a publish, an active claim alone an encode."""
        try:
            with self._catalog.read() as session:
                row = session.execute(_DOING, {"who": f"%:{pid}"}).first()
        except Retryable:
            return "unknown"
        if row is None:
            return "idle"
        return "publish" if row[1] else "encode"


_DOING = text(
    "SELECT c.id, (SELECT count(*) FROM attempts a WHERE a.claim_id = c.id"
    " AND a.state = 'active') FROM claims c WHERE c.state = 'active' AND c.worker LIKE :who"
)
