"""The role `upkeep`: merge, lay out anew, collect garbage, check files, give dead claims back.

Plain loops: nobody needs to wake them, so a Celery worker around them would only add a broker
that can fail. Several of these processes at once are harmless, since each chore is leased and all
that publishes is fenced.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from shared.deletions import carry_out
from shared.errors import LaminaError, Retryable
from shared.projecting.mapping import draw_next
from shared.rebuilding.merging import merge_part_next
from shared.services import (
    Services,
    longest_lease,
    open_attic,
    open_checker,
    open_keeper,
    open_messenger,
    open_recorder,
    open_services,
    open_studio,
    open_sweep,
    open_upkeep,
)
from shared.settings import Settings
from shared.trust.checking import scrub_next
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.upkeep.remains import Keeper
from shared.upkeep.removing import remove_next
from shared.upkeep.upkeep import Upkeep, reap
from shared.uploads.clearing import clear_away, remove_orphans
from workers import process
from workers.pulse import Pulse
from workers.waiting import wait_for_catalog

_LONGEST_PAUSE_SECONDS = 60.0
_EXPIRE_SECONDS = 3600.0
_FORGET_SECONDS = 300.0

_log = structlog.get_logger(__name__)


def run(settings: Settings, name: str) -> int:
    """Look after the index until `process.stopping`; return the exit code."""
    del name
    services = open_services(settings)
    upkeep = open_upkeep(services, stopping=process.stopping.is_set)
    if wait_for_catalog(services):
        upkeep.clock.disturb("the catalog was away")
    with suppress(Retryable):  # the clock remembers that it could not be asked
        upkeep.clock.look()
    process.working(settings.stop_seconds)
    pulse = Pulse(services, "upkeep")
    pulse.start()
    reaper = threading.Thread(
        target=_reap_until_stopped,
        args=(upkeep, settings.merge.every_seconds, pulse),
        name="reaper",
    )
    reaper.start()
    others = [*_start_messengers(services, pulse), _start_drawing(services, pulse)]
    os.nice(settings.encoding.nice)  # of this thread: giving claims back must not wait for merges
    _log.info("ready", worker=upkeep.shift.holder)
    turns = _turns(services, upkeep)
    busy = False
    while not process.stopping.wait(0 if busy else settings.merge.every_seconds):
        # Chores and versions of living processes are leased, too.
        busy = upkeep.clock.steady_for(longest_lease(settings)) and _take(turns, pulse)
    reaper.join()
    for thread in others:
        thread.join()
    pulse.close()
    services.close()
    return 0


def _take(turns: Sequence["Turn"], pulse: Pulse) -> bool:
    """Let each have its turn, not up to the first; whether there may be more to do at once."""
    more = [turn.take(time.monotonic()) for turn in turns if not process.stopping.is_set()]
    for turn in turns:
        pulse.trouble(turn.name, turn.trouble)
    return any(more)


class Turn:
    """One regular task. A fault is logged when it begins and when it ends, and tried less often.

    It never keeps the others from their turns.
    """

    def __init__(self, name: str, act: Callable[[], bool], every_seconds: float) -> None:
        """Call *act*, which returns whether there may be more at once, every so often."""
        self.name = name
        self._act = act
        self._every = every_seconds
        self._pause = 0.0
        self._due = 0.0
        self._fault = ""

    @property
    def trouble(self) -> str | None:
        """Why it does not get on; None if it does."""
        return f"{self.name} fails: {self._fault}" if self._fault else None

    def take(self, now: float) -> bool:
        """Do it if it is due; whether there may be more to do at once.

        Args:
            now: seconds of a clock that only rises.
        """
        if now < self._due:
            return False
        try:
            more = self._act()
        except LaminaError as error:
            self._fail(now, error)
            return False
        if self._fault:
            _log.info("upkeep_goes_on", task=self.name)
        self._fault, self._pause = "", 0.0
        self._due = now if more else now + self._every
        return more

    def _fail(self, now: float, error: LaminaError) -> None:
        if process.stopping.is_set():
            return
        if str(error) != self._fault:
            _log.warning("upkeep_failed", task=self.name, error=str(error))
        self._fault = str(error)
        self._pause = min(_LONGEST_PAUSE_SECONDS, 2 * max(self._pause, self._every))
        self._due = now + self._pause


def _turns(services: Services, upkeep: Upkeep) -> tuple[Turn, ...]:
    """Return what the main loop does, in this order."""
    stopping = process.stopping.is_set
    keeper = open_keeper(services, stopping=stopping)
    checker = open_checker(services, stopping=stopping)
    often = services.settings.merge.every_seconds
    seldom = services.settings.retention.every_seconds
    return (
        Turn("delete", partial(_delete_some, services), often),
        Turn("merge", partial(merge_next, upkeep), often),
        Turn("relay", partial(relay_next, upkeep), often),
        Turn("merge-rebuild", partial(merge_part_next, upkeep, services.renditions), often),
        Turn("collect", partial(_collect_everywhere, services, keeper), seldom),
        Turn("scrub", partial(scrub_next, checker), seldom),
        Turn("expire", open_sweep(services).take, _EXPIRE_SECONDS),
        Turn("remove", partial(_remove_some, services), seldom),
        Turn("clear", partial(_clear_some, services), seldom),
        Turn("orphans", partial(_remove_orphans, services), _EXPIRE_SECONDS),
    )


def _delete_some(services: Services) -> bool:
    """Carry out a step of a delete by filter; whether there was one."""
    return carry_out(services.documents, services.bell, limit=services.limits.documents)


def _remove_some(services: Services) -> bool:
    """Do a step of removing a collection that was deleted long ago; whether there was one."""
    days = services.settings.retention.deleted_days
    return remove_next(services.discards, services.files, deleted_days=days, blobs=services.blobs)


def _clear_some(services: Services) -> bool:
    """Do a step of removing bytes of files that nobody needs; whether there may be more."""
    retention, files = services.settings.retention, services.settings.files
    return clear_away(
        open_attic(services),
        grace_seconds=retention.grace_seconds,
        failed_seconds=files.failed_days * 86_400,
        draft_seconds=files.draft_hours * 3600,
    )


def _remove_orphans(services: Services) -> bool:
    """Remove bytes of files that were stored and never accepted."""
    old = services.settings.retention.orphan_days * 86_400
    return remove_orphans(open_attic(services), services.roster, older_than_seconds=old)


def _collect_everywhere(services: Services, keeper: Keeper) -> bool:
    """Collect the garbage of every collection; the first fault is raised at the end."""
    fault: LaminaError | None = None
    for collection_id in services.reading.heads():
        if process.stopping.is_set():
            break
        try:
            collect(keeper, services.collections.by_id(collection_id), dry_run=False)
        except LaminaError as error:
            fault = fault or error
    if fault:
        raise fault
    return False


def _reap_until_stopped(upkeep: Upkeep, every_seconds: float, pulse: Pulse) -> None:
    def act() -> bool:
        if count := reap(upkeep):
            _log.warning("claims_reaped", count=count)
        return False

    _repeat([Turn("reap", act, every_seconds)], every_seconds, pulse)


def _start_messengers(services: Services, pulse: Pulse) -> Sequence[threading.Thread]:
    """Tell what happened in threads of their own: neither waits for a merge, nor for a receiver."""
    often = services.settings.merge.every_seconds
    messenger = open_messenger(services)
    groups = (
        [
            Turn("note", messenger.note, often),
            Turn("forget", messenger.forget, _FORGET_SECONDS),
            Turn("read", open_recorder(services).take, services.settings.metrics.reading_seconds),
        ],
        [Turn("webhooks", messenger.deliver, often)],
    )
    threads = [
        threading.Thread(target=_repeat, args=(turns, often, pulse), name=turns[0].name)
        for turns in groups
    ]
    for thread in threads:
        thread.start()
    return threads


def _start_drawing(services: Services, pulse: Pulse) -> threading.Thread:
    """Draw maps in a thread of its own: a merge must not wait the minute that one may take."""
    studio = open_studio(services, stopping=process.stopping.is_set)
    often = services.settings.merge.every_seconds

    def draw() -> None:
        os.nice(services.settings.encoding.nice)  # of this thread
        _repeat([Turn("map", partial(draw_next, studio), often)], often, pulse)

    thread = threading.Thread(target=draw, name="map")
    thread.start()
    return thread


def _repeat(turns: Sequence[Turn], every_seconds: float, pulse: Pulse) -> None:
    busy = False
    while not process.stopping.wait(0 if busy else every_seconds):
        busy = _take(turns, pulse)
