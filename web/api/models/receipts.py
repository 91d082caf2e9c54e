"""Receipts of submissions."""

from typing import Literal, Self

from shared.domain import ReceiptEntry
from web.api.models.base import JobLink, Question, Shape, Text, Time


class ReceiptPath(Question):
    """The address of what became of a key."""

    key: Text
    """The producer's idempotency key; it may hold slashes."""


class ReceiptShape(Shape):
    """What became of one message."""

    collection: str | None
    source: str
    status: Literal["accepted", "rejected"]
    job: JobLink | None
    reason: str | None
    detail: str | None
    received_at: Time

    @classmethod
    def of(cls, entry: ReceiptEntry, job: JobLink | None) -> Self:
        """Return what the API shows of a receipt."""
        return cls(
            collection=entry.collection,
            source=entry.source,
            status="accepted" if entry.status == "accepted" else "rejected",
            job=job,
            reason=entry.reason,
            detail=entry.detail,
            received_at=entry.received_at,
        )


class Receipts(Shape):
    """What became of the messages with one key, newest first."""

    key: str
    status: Literal["accepted", "rejected"]
    """Of the newest."""
    receipts: list[ReceiptShape]
