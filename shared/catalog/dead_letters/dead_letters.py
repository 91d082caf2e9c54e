"""What failed or was refused: listed, put back, accepted after all, or dismissed."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select, update

from shared.catalog.dead_letters import lists as dead_lists
from shared.catalog.dead_letters.contents import read_document_content, read_message_content
from shared.catalog.dead_letters.lists import Cursor
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.inbox.accepting import store
from shared.catalog.inbox.drafts import REFUSALS, Parcel, clean, pack, reason_of
from shared.catalog.inbox.reviving import revive
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import RejectionRow, RevisionRow
from shared.domain import (
    DeadLetter,
    DeadLetterContent,
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterKind,
    DeadLetterPage,
    Rejection,
    Replay,
    ReplayOutcome,
    Submission,
)
from shared.errors import DeadLetterNotFound, InvalidRequest


class SqlDeadLetters:
    """The port `DeadLetters` in SQL."""

    def __init__(self, database: Database, *, kept_bytes: int = 1024 * 1024) -> None:
        """Take a message whose size nobody noted for cut if *kept_bytes* of it are kept."""
        self._database = database
        self._kept_bytes = kept_bytes

    def count(self, *, most: int) -> int:
        """Return how many dead letters there are; *most* if there are more."""
        with self._database.read() as tx:
            return dead_lists.count(tx, most)

    def page(
        self,
        which: DeadLetterFilter,
        *,
        limit: int,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> DeadLetterPage:
        """Return some of *which*, newest first, from *cursor* on.

        Raises:
            InvalidRequest: the cursor is none of this list.
        """
        place = Cursor.parse(cursor)
        with self._database.read() as tx:
            return dead_lists.read_page(
                tx,
                which,
                place,
                limit=limit,
                oldest_first=oldest_first,
                kept_bytes=self._kept_bytes,
            )

    def find(self, one: DeadLetterId) -> tuple[DeadLetter, DeadLetterContent]:
        """Return a dead letter and what was handed in; a replayed message, too.

        Raises:
            DeadLetterNotFound: there is none.
        """
        content: DeadLetterContent
        with self._database.read() as tx:
            if one.kind is DeadLetterKind.DOCUMENT:
                letter = dead_lists.read_document(tx, one.number)
                if letter is not None:
                    return letter, read_document_content(tx, one.number)
            else:
                letter = dead_lists.read_message(tx, one.number, self._kept_bytes)
                if letter is not None:
                    content = read_message_content(tx, one.number)
                    return letter, content
        raise DeadLetterNotFound(f"There is no dead letter {str(one)!r}.")

    def revive(self, revisions: Sequence[int]) -> Sequence[Replay]:
        """Put failed revisions back into the queue, all in one transaction."""
        return self._database.run(lambda tx: revive(tx, revisions))

    def accept(self, rejection: int, letter: Submission | Rejection) -> Replay:
        """Accept a refused message as *letter*, and remember so in the same transaction.

        Raises:
            DeadLetterNotFound: there is no such message.
        """
        name = DeadLetterId(DeadLetterKind.MESSAGE, rejection)
        if isinstance(letter, Rejection):
            reason, detail = letter.reason, letter.detail
            return self._database.run(lambda tx: _refuse(tx, name, reason, detail))
        try:
            parcel = pack(letter)
        except InvalidRequest as error:
            reason, detail = reason_of(error), error.detail
            return self._database.run(lambda tx: _refuse(tx, name, reason, detail))
        return self._database.run(lambda tx: _accept(tx, name, parcel))

    def dismiss(self, letters: Sequence[DeadLetterId]) -> int:
        """Take letters off the list for good; return how many were on it."""
        numbers = {
            kind: sorted(one.number for one in letters if one.kind is kind)
            for kind in DeadLetterKind
        }

        def work(tx: Connection) -> int:
            dismissed = 0
            for page in pages(numbers[DeadLetterKind.DOCUMENT]):
                dismissed += tx.execute(_DISMISS, {"ids": page}).rowcount
            for page in pages(numbers[DeadLetterKind.MESSAGE]):
                dismissed += tx.execute(_ERASE, {"ids": page}).rowcount
            return dismissed

        return self._database.run(work)


def _accept(tx: Connection, name: DeadLetterId, parcel: Parcel) -> Replay:
    if settled := _settled(tx, name):
        return settled
    try:
        with tx.begin_nested():
            receipt = store(tx, parcel)
    except REFUSALS as error:
        return _refuse(tx, name, reason_of(error), error.detail)
    # In the transaction that stores the documents: whoever dies here has done neither.
    tx.execute(_REPLAYED, {"one": name.number, "job": receipt.job_id})
    if receipt.repeated:
        detail = "The same was accepted before, under this key."
        return Replay(id=name, outcome=ReplayOutcome.SETTLED, detail=detail, job_id=receipt.job_id)
    return Replay(id=name, outcome=ReplayOutcome.REPLAYED, job_id=receipt.job_id)


def _refuse(tx: Connection, name: DeadLetterId, reason: str, detail: str) -> Replay:
    if settled := _settled(tx, name):
        return settled
    why = {"one": name.number, "why": clean(reason), "words": clean(detail)}
    tx.execute(_REFUSED_AGAIN, why)
    return Replay(id=name, outcome=ReplayOutcome.REFUSED, detail=f"{reason}: {detail}")


def _settled(tx: Connection, name: DeadLetterId) -> Replay | None:
    """Lock the message; say so if it was replayed before."""
    row = tx.execute(_LOCK, {"one": name.number}).one_or_none()
    if row is None:
        raise DeadLetterNotFound(f"There is no dead letter {str(name)!r}.")
    if row.replayed_at is None:
        return None
    detail = "It was replayed before."
    return Replay(id=name, outcome=ReplayOutcome.SETTLED, detail=detail, job_id=row.job_id)


_LOCK = (
    select(RejectionRow.replayed_at, RejectionRow.job_id)
    .where(RejectionRow.id == bindparam("one"))
    .with_for_update()
)
_OF_ONE = update(RejectionRow).where(RejectionRow.id == bindparam("one"))
_REPLAYED = _OF_ONE.values(replayed_at=db_now(), job_id=bindparam("job"))
_REFUSED_AGAIN = _OF_ONE.values(reason=bindparam("why"), detail=bindparam("words"))
_DISMISS = (
    update(RevisionRow)
    .where(RevisionRow.id.in_(bindparam("ids", expanding=True)), dead_lists.IS_FAILED)
    .values(dismissed_at=db_now())
)
_ERASE = delete(RejectionRow).where(RejectionRow.id.in_(bindparam("ids", expanding=True)))
