"""The receipt of a message, for a producer that waits for it where its payload says."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.domain import Receipt, ReceiptEntry, Rejection, Submission, rfc3339
from shared.ports import Inbox

PREFIX = "lamina.reply."
"""What the name of every place for replies begins with, so that nothing else can be written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A receipt and where to."""

    to: str
    """Name of a list or queue: `PREFIX` and the payload's `reply_to`."""
    body: bytes
    """JSON, see `lamina.reply.v1.json`."""


def make_replies(
    inbox: Inbox,
    letters: Sequence[Submission | Rejection],
    answers: Sequence[Receipt | Rejection],
) -> Iterator[Reply]:
    """Yield a reply to each letter whose producer waits for one.

    Args:
        inbox: knows when each was received.
        letters: as they were read.
        answers: what became of each, in the same order.
    """
    for letter, answer in zip(letters, answers, strict=True):
        if letter.reply_to and letter.key:
            yield Reply(to=PREFIX + letter.reply_to, body=_write(inbox, letter, answer))


def _write(inbox: Inbox, letter: Submission | Rejection, answer: Receipt | Rejection) -> bytes:
    reply: dict[str, object] = {
        "key": letter.key,
        "status": "accepted",
        "collection": letter.collection,
        "job_id": None,
        "documents": 0,
        "repeated": False,
        "reason": None,
        "detail": None,
        "received_at": rfc3339(_received_at(inbox, letter, answer)),
    }
    if isinstance(answer, Rejection):
        why = {"reason": answer.reason, "detail": answer.detail}
        reply |= why | {"key": answer.key, "status": "rejected"}
    else:
        count = len(answer.documents)
        reply |= {"job_id": answer.job_id, "documents": count, "repeated": answer.repeated}
    return json.dumps(reply).encode()


def _received_at(
    inbox: Inbox, letter: Submission | Rejection, answer: Receipt | Rejection
) -> float:
    """Return when the catalog stored the answer: the time that every other receipt says."""
    key = letter.key if isinstance(answer, Receipt) else answer.key
    entries = inbox.receipts(key or "")
    found = (entry.received_at for entry in entries if _is(entry, answer))
    return next(found, time.time())  # somebody may have dismissed it already


def _is(entry: ReceiptEntry, answer: Receipt | Rejection) -> bool:
    if isinstance(answer, Receipt):
        return entry.job_id == answer.job_id
    return (entry.source, entry.reason) == (answer.source, answer.reason)
