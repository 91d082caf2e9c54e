"""Do chores under a lease: one process at a time does a kind of chore in a collection."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from shared.domain import Chore, ChoreKind, ChoreState
from shared.errors import Fenced, NotFound, Retryable, VersionExpired
from shared.heartbeat import Heartbeat
from shared.ports import Chores, Versions
from shared.versions.holds import Holds

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

    The chore's lease, and those of the versions it reads, are renewed meanwhile. A process that
    dies leaves leases that run out.

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
        self._progress = (0, 0)
        self._chore: Chore | None = None
        self._leases = ExitStack()

    def __enter__(self) -> Self | None:
        shift = self._shift
        chore = shift.chores.begin(
            self._collection_id,
            self._kind,
            holder=shift.holder,
            lease_seconds=shift.lease_seconds,
            detail=self.outcome,
        )
        if chore is None:
            return None
        self._chore = chore
        # Not only the process, which may hold the same version as a reader
        name = f"{shift.holder}/chore-{chore.id}"
        self._holds = self._leases.enter_context(Holds(shift.versions, name, shift.lease_seconds))
        seconds = min(shift.lease_seconds / 3, _SHOWN_SECONDS)
        self._heartbeat = Heartbeat(lambda: self._renew(chore), seconds, name=f"chore {chore.id}")
        self._heartbeat.start()
        self._leases.callback(self._heartbeat.stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._chore is None:
            return
        self._leases.close()
        failed = error is not None or self.given_up
        words = self.outcome if error is None else str(error) or type(error).__name__
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
        try:
            self._holds.check()
        except (NotFound, VersionExpired) as error:
            raise Fenced(
                f"The lease of a version that this {self._kind} reads was lost."
            ) from error
        if self._heartbeat.lost:
            raise Fenced(f"The lease of this {self._kind} was lost.") from self._heartbeat.lost
        if self._shift.stopping():
            raise Retryable("The process is stopping.")

    def hold(self, version: int) -> None:
        """Keep a version from expiring until the duty ends.

        Raises:
            VersionNotFound, VersionExpired
        """
        self._holds.take(self._collection_id, version)

    def give_up(self, reason: str) -> None:
        """Say that it came to nothing, and why; what there was goes on being used."""
        self.outcome, self.given_up = reason, True

    def _renew(self, chore: Chore) -> None:
        done, total = self._progress
        lease = self._shift.lease_seconds
        self._shift.chores.renew(chore.id, lease_seconds=lease, done=done, total=total)
