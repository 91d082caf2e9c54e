"""The door of the catalog: work is refused before it fails or waits too long."""

from collections.abc import Sequence

from shared.domain import (
    Amendment,
    Receipt,
    ReceiptEntry,
    Rejection,
    RevisionKind,
    State,
    Submission,
)
from shared.errors import Overloaded
from shared.ports import Inbox
from shared.upkeep.room import Room
from shared.waiting.backlog import Backlog


class GuardedInbox:
    """An inbox that refuses documents while the disk is nearly full or too much waits."""

    def __init__(self, inbox: Inbox, room: Room, backlog: Backlog) -> None:
        self._inbox = inbox
        self._room = room
        self._backlog = backlog

    def accept(self, submission: Submission, *, hold_seconds: float = 0.0) -> Receipt:
        """Accept *submission* if there is room on the disk and in the queue.

        One that only deletes needs no disk. But it waits like any other, so that too many are
        refused, too; being interactive, deletes still get in when bulk work has filled its
        part. What is held for an import waits for no worker, and is not refused.

        Raises:
            OutOfSpace: too little disk is left; nothing was changed.
            Overloaded: too much waits; nothing was changed.
            CollectionNotFound, KeyReused, DocumentNotFound: as the inbox says.
        """
        if any(document.kind is RevisionKind.PUT for document in submission.documents):
            self._room.check()
        if not hold_seconds:
            self._check_backlog(submission)
        receipt = self._inbox.accept(submission, hold_seconds=hold_seconds)
        self._count([receipt])
        return receipt

    def amend(self, amendment: Amendment) -> Receipt:
        """Change a document if there is room on the disk and in the queue.

        Raises:
            OutOfSpace, Overloaded: as for `accept`.
            CollectionNotFound, KeyReused, DocumentNotFound, InvalidDocument: as the inbox says.
        """
        self._room.check()
        self._check_backlog(amendment.submission)
        receipt = self._inbox.amend(amendment)
        self._count([receipt])
        return receipt

    def take(self, letters: Sequence[Submission | Rejection]) -> Sequence[Receipt | Rejection]:
        """Store letters that are off the queue already: who takes them looks for room first."""
        answers = self._inbox.take(letters)
        self._count(answers)
        return answers

    def receipts(self, key: str) -> Sequence[ReceiptEntry]:
        """Return what became of the messages with this key, newest first; empty if none."""
        return self._inbox.receipts(key)

    def _check_backlog(self, submission: Submission) -> None:
        try:
            self._backlog.check(submission.lane)
        except Overloaded:
            if not self._is_repeat(submission):
                raise

    def _is_repeat(self, submission: Submission) -> bool:
        """Whether it was accepted before: then it gets its answer, and adds nothing."""
        return submission.key is not None and any(
            (entry.collection, entry.source, entry.status)
            == (submission.collection, submission.source, "accepted")
            for entry in self._inbox.receipts(submission.key)
        )

    def _count(self, answers: Sequence[Receipt | Rejection]) -> None:
        new = [one for one in answers if isinstance(one, Receipt) and not one.repeated]
        self._backlog.grow(sum(state is State.PENDING for one in new for _, state in one.documents))
