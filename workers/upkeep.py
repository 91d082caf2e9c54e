"""The role `upkeep`: give dead workers' claims back, merge small segments.

A plain loop: nobody needs to wake it, so a Celery worker around it would only add a broker
that can fail. Several at once are harmless, since reaping and merging are fenced.
"""

from collections.abc import Callable

import structlog

from shared.errors import LaminaError
from shared.services import open_services, open_upkeep
from shared.settings import Settings
from shared.upkeep import Upkeep, merge_next, reap
from workers import process, pulse

_log = structlog.get_logger(__name__)


def run(settings: Settings, name: str) -> int:
    """Look after the index until `process.stopping`; return the exit code."""
    del name
    services = open_services(settings)
    upkeep = open_upkeep(services)
    process.working()
    pulse.start(services.roster, upkeep.worker, "upkeep")
    _log.info("ready", worker=upkeep.worker)
    chores = (_Chore(_reap, upkeep), _Chore(_merge, upkeep))
    while not process.stopping.wait(settings.merge.every_seconds):
        for chore in chores:
            chore.do()
    services.close()
    return 0


class _Chore:
    """One regular task. A fault is logged when it begins and when it ends, not each time."""

    def __init__(self, act: Callable[[Upkeep], None], upkeep: Upkeep) -> None:
        self._act = act
        self._upkeep = upkeep
        self._fault = ""

    def do(self) -> None:
        try:
            self._act(self._upkeep)
        except LaminaError as error:
            if str(error) != self._fault:
                _log.warning("upkeep_failed", chore=self._act.__name__, error=str(error))
            self._fault = str(error)
            return
        if self._fault:
            _log.info("upkeep_goes_on", chore=self._act.__name__)
        self._fault = ""


def _reap(upkeep: Upkeep) -> None:
    if count := reap(upkeep):
        _log.warning("claims_reaped", count=count)


def _merge(upkeep: Upkeep) -> None:
    while not process.stopping.is_set() and merge_next(upkeep):
        _log.info("merged")
