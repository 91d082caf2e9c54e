"""Receipts and rejections of submissions."""

from typing import Literal, Self

from pydantic import Field

from shared.domain import ReceiptEntry, Rejection
from web.api.models.base import JobLink, Question, Shape, Text, Time

RAW_CHARACTERS = 2000
"""How much of a rejected message is shown."""


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


class RejectionsQuery(Question):
    """How many rejections to list."""

    limit: int = Field(default=50, ge=1, le=1000)


class RejectionShape(Shape):
    """A message that was not accepted, and why."""

    id: int
    received_at: Time
    source: str
    reason: str
    detail: str
    collection: str | None
    key: str | None
    size: int
    """Bytes of it that were kept."""
    raw: str
    """Its beginning as text; bytes that are not UTF-8 are replaced."""

    @classmethod
    def of(cls, number: int, received_at: float, rejection: Rejection) -> Self:
        """Return what the API shows of a rejection."""
        beginning = rejection.raw[: 4 * RAW_CHARACTERS].decode(errors="replace")
        return cls(
            id=number,
            received_at=received_at,
            source=rejection.source,
            reason=rejection.reason,
            detail=rejection.detail,
            collection=rejection.collection,
            key=rejection.key,
            size=len(rejection.raw),
            raw=beginning[:RAW_CHARACTERS],
        )


class RejectionList(Shape):
    """Rejected messages, newest first."""

    rejections: list[RejectionShape]
