"""Dead letters: hand them in again, or let them go.

A failed document goes back into the queue as it was accepted. A refused message is read again as
the intake would read it today, and accepted under its own key: as a message that its producer sent
now, so after what was accepted in the meantime, unless external versions say otherwise.

Whoever dies here has done a letter or left it, and to do one again changes nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import structlog

from shared.domain import (
    DeadLetter,
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterKind,
    Lane,
    Rejection,
    Replay,
    ReplayOutcome,
    Replays,
    Submission,
)
from shared.errors import DeadLetterNotFound, LaminaError
from shared.messages import MessageLimits, parse
from shared.ports import Bell, DeadLetters
from shared.upkeep.room import Room
from shared.waiting.backlog import Backlog

_log = structlog.get_logger(__name__)

_RETRIED_AT_ONCE = 500
"""Documents of a job that go back into the queue in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterOffice:
    """What it takes to do something about dead letters."""

    dead_letters: DeadLetters
    bell: Bell
    room: Room
    backlog: Backlog
    limits: MessageLimits


def replay(office: DeadLetterOffice, one: DeadLetterId) -> Replay:
    """Hand a dead letter in again.

    Raises:
        DeadLetterNotFound: there is no such failed document or refused message.
        OutOfSpace, Overloaded: nothing new is taken just now; nothing was changed.
    """
    office.dead_letters.find(one)
    (result,) = _replay(office, [one])
    return result


def replay_some(
    office: DeadLetterOffice, which: DeadLetterFilter, *, limit: int, cursor: str | None = None
) -> Replays:
    """Hand at most *limit* of *which* in again, oldest first, from *cursor* on.

    Raises:
        InvalidRequest: the cursor is none of these.
        OutOfSpace, Overloaded: nothing new is taken just now; nothing was changed.
    """
    page = office.dead_letters.page(which, limit=limit, cursor=cursor, oldest_first=True)
    results = _replay(office, [letter.id for letter in page.letters])
    return Replays(results=tuple(results), next_cursor=page.next_cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What became of the failed documents of a job."""

    outcomes: Mapping[ReplayOutcome, int]
    """How many of each."""
    details: tuple[str, ...]
    """Why some do not wait again, in words; each reason once."""
    more: bool
    """Whether there are more than one call tries."""

    @property
    def waiting(self) -> int:
        """Documents that wait to be indexed again."""
        return self.outcomes.get(ReplayOutcome.REPLAYED, 0)


def retry_job(
    office: DeadLetterOffice, job_id: str, *, documents: Sequence[str] | None = None, most: int
) -> Retried:
    """Put the failed documents of a job back into its queue, oldest first, in steps.

    Whoever dies here has done some of them; to do it again does the rest.

    Args:
        office: where.
        job_id: the job, which there must be.
        documents: ids of those meant; None for all.
        most: how many are tried.

    Raises:
        OutOfSpace, Overloaded: nothing new is taken just now; what went before stays done.
    """
    chosen = None if documents is None else tuple(documents)
    which = DeadLetterFilter(kind=DeadLetterKind.DOCUMENT, job=job_id, documents=chosen)
    results: list[Replay] = []
    cursor: str | None = None
    while True:
        limit = min(_RETRIED_AT_ONCE, most - len(results))
        step = replay_some(office, which, limit=limit, cursor=cursor)
        results += step.results
        cursor = step.next_cursor
        if cursor is None or len(results) >= most:
            break
    return Retried(
        outcomes=Counter(one.outcome for one in results),
        details=tuple(dict.fromkeys(one.detail for one in results if one.detail)),
        more=cursor is not None,
    )


def dismiss(dead_letters: DeadLetters, one: DeadLetterId) -> None:
    """Take a dead letter off the list for good.

    Raises:
        DeadLetterNotFound: there is no such failed document or message.
    """
    if not dead_letters.dismiss([one]):
        raise DeadLetterNotFound(f"There is no dead letter {str(one)!r}.")


def dismiss_some(
    dead_letters: DeadLetters, which: DeadLetterFilter, *, limit: int
) -> tuple[int, bool]:
    """Take at most *limit* of *which* off the list, oldest first; return how many, and if more."""
    page = dead_letters.page(which, limit=limit, oldest_first=True)
    dismissed = dead_letters.dismiss([letter.id for letter in page.letters])
    return dismissed, page.next_cursor is not None


def _replay(office: DeadLetterOffice, letters: Sequence[DeadLetterId]) -> list[Replay]:
    """Hand letters in again; documents in one transaction, each message in one of its own."""
    office.room.check()
    office.backlog.check(Lane.BULK)
    documents = [one.number for one in letters if one.kind is DeadLetterKind.DOCUMENT]
    results = {one.id: one for one in office.dead_letters.revive(documents)} if documents else {}
    try:
        for one in letters:
            if one.kind is DeadLetterKind.MESSAGE:
                results[one] = _replay_message(office, one)
    finally:
        if any(one.outcome is ReplayOutcome.REPLAYED for one in results.values()):
            office.bell.ring()
    return [results[one] for one in letters]


def _replay_message(office: DeadLetterOffice, one: DeadLetterId) -> Replay:
    try:
        letter, content = office.dead_letters.find(one)
        if letter.replayed_at is not None:
            detail = "It was replayed before."
            return Replay(
                id=one, outcome=ReplayOutcome.SETTLED, detail=detail, job_id=letter.job_id
            )
        if letter.obstacle:
            return Replay(id=one, outcome=ReplayOutcome.IMPOSSIBLE, detail=letter.obstacle)
        again = _read(office, letter, cast("Submission | bytes", content))
        return office.dead_letters.accept(one.number, again)
    except DeadLetterNotFound:  # somebody dismissed it meanwhile
        return Replay(id=one, outcome=ReplayOutcome.SETTLED, detail="It was dismissed.")
    except LaminaError:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary to bytes from outside
        # As in the intake: one message must never stand in the way of the others.
        _log.exception("message_not_replayed", message=str(one))
        detail = f"{type(error).__name__} in Lamina; its log says more."
        return Replay(id=one, outcome=ReplayOutcome.REFUSED, detail=detail)


def _read(
    office: DeadLetterOffice, letter: DeadLetter, content: Submission | bytes
) -> Submission | Rejection:
    """Return what a refused message is today."""
    if isinstance(content, Submission):
        return content
    return parse(content, office.limits, source=letter.source, receipt=letter.key or "")
