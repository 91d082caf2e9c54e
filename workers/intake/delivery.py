"""Bring messages into the catalog: parse each, commit all, reply, then forget them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import structlog

from shared.domain import Lane, Receipt, Rejection, Submission
from shared.errors import Retryable
from shared.failpoints import reach
from shared.measures.instruments import MESSAGES
from shared.measures.tally import Tally
from shared.messages import MessageLimits, parse
from shared.ports import Bell, Inbox
from shared.replies import make_replies
from shared.upkeep.room import Room
from shared.waiting.backlog import Backlog
from workers.intake.replying import Replies
from workers.intake.source import RawMessage, Source

Letter: TypeAlias = Submission | Rejection

_PROBE = "push:"
"""A key that no message has."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """From a source to an inbox."""

    source: Source
    inbox: Inbox
    bell: Bell
    room: Room
    backlog: Backlog
    replies: Replies
    limits: MessageLimits
    queue: str
    """Name of the source in receipts: `queue:…`."""
    tally: Tally = field(default_factory=Tally)

    def deliver(self, limit: int, *, timeout_seconds: float) -> int:
        """Bring up to *limit* messages into the catalog; return how many.

        A crash, at any point, leaves them where `recover` finds them, and the inbox knows
        those it has by their keys.

        Raises:
            OutOfSpace: too little disk is left; nothing was taken.
            Overloaded: too much waits; nothing was taken.
            Retryable: the catalog or the broker is away; call `recover` first, next time.
        """
        self.room.check()
        # Nobody knows the lane of a message before it is taken; most are bulk.
        self.backlog.check(Lane.BULK)
        messages = self.source.take(limit, timeout_seconds=timeout_seconds)
        if not messages:
            return 0
        reach("intake.moved")
        new, kept = self._sort([(message, self._read(message)) for message in messages])
        answers = self._commit(new)
        reach("intake.committed")
        if any(isinstance(answer, Receipt) and not answer.repeated for answer in answers):
            self.bell.ring()
        self._reply([letter for _, letter in new], answers)
        self._reply(kept, kept)
        self.source.done(messages)
        self._report(answers)
        return len(messages)

    def recover(self) -> int:
        """Make sure that the catalog answers, then begin with what was taken and not stored.

        A broker may hand a message out only so often; so none is taken that could not be stored.

        Raises:
            Retryable: the catalog or the broker is away.
        """
        self.inbox.receipts(_PROBE)
        return self.source.recover()

    def _sort(
        self, read: Sequence[tuple[RawMessage, Letter]]
    ) -> tuple[list[tuple[RawMessage, Letter]], list[Rejection]]:
        """Return what is to be stored, and the rejections that were stored before."""
        new: list[tuple[RawMessage, Letter]] = []
        kept: list[Rejection] = []
        for message, letter in read:
            if isinstance(letter, Rejection) and self._kept_before(message, letter):
                kept.append(letter)
            else:
                new.append((message, letter))
        return new, kept

    def _reply(self, letters: Sequence[Letter], answers: Sequence[Receipt | Rejection]) -> None:
        """Tell producers that wait for it; the message is still safe at the broker."""
        self.replies.send(list(make_replies(self.inbox, letters, answers)))

    def _read(self, message: RawMessage) -> Letter:
        if message.refusal:
            return self._refuse(message, *message.refusal)
        try:
            return parse(message.raw, self.limits, source=self.queue, receipt=_key(message))
        except Exception as error:  # noqa: BLE001 - the boundary to bytes from outside
            # One message must never end the intake.
            _log.exception("message_not_understood", receipt=message.receipt)
            return self._refuse(message, "not-understood", _said(error))

    def _commit(self, letters: Sequence[tuple[RawMessage, Letter]]) -> list[Receipt | Rejection]:
        """Store all in one transaction; if one letter breaks it, in halves, down to that one."""
        if not letters:
            return []
        try:
            return list(self.inbox.take([letter for _, letter in letters]))
        except Retryable:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            if len(letters) > 1:
                middle = len(letters) // 2
                return self._commit(letters[:middle]) + self._commit(letters[middle:])
            # What the catalog chokes on is kept with the reason, not tried for ever.
            message, letter = letters[0]
            _log.exception("message_not_stored", receipt=message.receipt)
            refused = self._refuse(message, "not-stored", _said(error))
            told = replace(refused, collection=letter.collection, reply_to=letter.reply_to)
            return list(self.inbox.take([told]))

    def _refuse(self, message: RawMessage, reason: str, detail: str) -> Rejection:
        return Rejection(
            source=self.queue,
            raw=message.raw[: self.limits.rejected_bytes],
            reason=reason,
            detail=detail,
            key=_key(message),
            size=len(message.raw),
        )

    def _kept_before(self, message: RawMessage, letter: Rejection) -> bool:
        """Whether an intake that died had stored this rejection already.

        The inbox recognises submissions by their keys; rejections have only what they say.
        """
        if not message.again or letter.key is None:
            return False
        return any(
            (entry.source, entry.reason, entry.detail)
            == (letter.source, letter.reason, letter.detail)
            for entry in self.inbox.receipts(letter.key)
        )

    def _report(self, answers: Sequence[Receipt | Rejection]) -> None:
        """Say and count what became of messages: jobs by their ids, rejections by their keys."""
        jobs = [one.job_id for one in answers if isinstance(one, Receipt)]
        ended = Counter(_outcome(one) for one in answers)
        for outcome, count in ended.items():
            self.tally.add(MESSAGES, count, outcome=outcome)
        for one in answers:
            if isinstance(one, Rejection):
                _log.warning("message_rejected", reason=one.reason, detail=one.detail, key=one.key)
        _log.info("messages_taken", jobs=jobs, **ended)


def _outcome(answer: Receipt | Rejection) -> str:
    if isinstance(answer, Rejection):
        return "rejected"
    return "repeated" if answer.repeated else "accepted"


def _key(message: RawMessage) -> str:
    return f"push:{message.receipt}"


def _said(error: Exception) -> str:
    return f"{type(error).__name__} in Lamina; its log says more."
