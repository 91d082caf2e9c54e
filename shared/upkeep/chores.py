"""Do chores under a lease: one process at a time does a kind of chore in a collection."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from shared.domain import Chore, ChoreKind, ChoreState
from shared.errors import Fenced, NotFound, Retryable, VersionExpired
from shared.ports import Chores, Versions

log = structlog.get_logger(__name__)

_SHOWN_SECONDS = 2.0
"""Progress is never older than this, however long the lease is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Who does chores in this process, and until when."""

    chores: Chores
    versions: Versions
    holder: str
    lease_seconds: float
    stopping: Callable[[], bool] = lambda: False
    """Whether this process shall end; long work gives up at its next step."""


class Duty:
    """A chore in the hands of this process, from `with` to its end.

    A thread renews the chore's lease, and those of the versions it reads, every third of their
    time. A catalog that cannot be reached is asked again at the next beat: the lease outlives
    two missed ones. A process that dies leaves a lease that runs out.

        with Duty(shift, collection.id, ChoreKind.MERGE, "8 segments") as duty:
            if duty is None:  # another process does it
                return
            duty.hold(head.version)
            work(step=duty.step)
            duty.outcome = "8 segments became one"
    """

    def __init__(self, shift: Shift, collection_id: int, kind: ChoreKind, detail: str) -> None:
        self.outcome = detail
        """What came of it, in words; set it before the end."""
        self.given_up = False
        """Whether it came to nothing, though nothing failed."""
        self._shift = shift
        self._collection_id = collection_id
        self._kind = kind
        self._detail = detail
        self._progress = (0, 0)
        self._held: set[int] = set()
        self._lock = threading.Lock()  # guards the set, which two threads use
        self._lost = threading.Event()
        self._over = threading.Event()
        self._chore: Chore | None = None
        self._thread = threading.Thread(target=self._beat, name=f"duty-{kind}", daemon=True)

    def __enter__(self) -> Self | None:
        self._chore = self._shift.chores.begin(
            self._collection_id,
            self._kind,
            holder=self._shift.holder,
            lease_seconds=self._shift.lease_seconds,
            detail=self._detail,
        )
        if self._chore is None:
            return None
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._chore is None:
            return
        self._over.set()
        self._thread.join()
        failed = error is not None or self.given_up
        words = self.outcome if error is None else str(error) or type(error).__name__
        for version in self._held:
            self._shift.versions.release(self._collection_id, version, self._name(self._chore))
        self._shift.chores.end(
            self._chore.id, ChoreState.FAILED if failed else ChoreState.DONE, words
        )

    def step(self, done: int, total: int) -> None:
        """Say how far the work is.

        Raises:
            Fenced: the lease was lost, and another process may have begun anew.
            Retryable: this process shall end.
        """
        self._progress = (done, total)
        if self._lost.is_set():
            raise Fenced(f"The lease of this {self._kind} was lost.")
        if self._shift.stopping():
            raise Retryable("The process is stopping.")

    def hold(self, version: int) -> None:
        """Keep a version from expiring until the duty ends.

        Raises:
            VersionNotFound, VersionExpired
        """
        chore = self._begun()
        lease = self._shift.lease_seconds
        self._shift.versions.hold(self._collection_id, version, self._name(chore), lease)
        with self._lock:
            self._held.add(version)

    def give_up(self, reason: str) -> None:
        """Say that it came to nothing, and why; what there was goes on being used."""
        self.outcome, self.given_up = reason, True

    def _begun(self) -> Chore:
        if self._chore is None:
            raise RuntimeError("The duty has not begun.")
        return self._chore

    def _name(self, chore: Chore) -> str:
        """Who holds versions: not only the process, which may hold the same one as a reader."""
        return f"{self._shift.holder}/chore-{chore.id}"

    def _beat(self) -> None:
        chore = self._begun()
        while not self._over.wait(min(self._shift.lease_seconds / 3, _SHOWN_SECONDS)):
            try:
                self._renew(chore)
            except (Fenced, NotFound, VersionExpired) as error:
                log.warning("chore_lost", kind=str(self._kind), error=str(error))
                self._lost.set()
                return
            except Retryable as error:
                log.debug("beat_missed", error=str(error))

    def _renew(self, chore: Chore) -> None:
        done, total = self._progress
        lease = self._shift.lease_seconds
        self._shift.chores.renew(chore.id, lease_seconds=lease, done=done, total=total)
        with self._lock:
            held = tuple(self._held)
        for version in held:
            self._shift.versions.hold(self._collection_id, version, self._name(chore), lease)
