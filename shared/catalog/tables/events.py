"""What happened, and who is told."""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import Row, partial


class EventRow(Row):
    """Something that happened, written in the transaction in which it did.

    Ids rise in the order of the commits, without a gap: see `telling.py`.
    """

    __tablename__ = "events"
    __table_args__ = (Index(None, "collection_id", "id"), Index(None, "job_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    kind: Mapped[str]
    at: Mapped[float]
    job_id: Mapped[str | None]
    """The job it is about; no reference, since jobs are forgotten earlier."""
    content: Mapped[str]
    """JSON object."""


class WebhookRow(Row):
    """An address that is told of what happens in a collection."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "collection_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    url: Mapped[str]
    secret: Mapped[str]
    """As it was shown; signing needs it whole."""
    kinds: Mapped[str]
    """JSON list."""
    place: Mapped[int]
    """The last event that was looked at for it."""
    created_at: Mapped[float]
    disabled_at: Mapped[float | None]
    disabled_for: Mapped[str | None]
    """Why, in words."""


class DeliveryRow(Row):
    """One event on its way to one webhook."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_in_order", "webhook_id", "created_at", "id"),
        Index(None, "created_at"),
        partial("ix_deliveries_due", "due_at", where="state = 'pending'"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id"))
    event_id: Mapped[int]
    """No reference: events expire by themselves."""
    kind: Mapped[str]
    body: Mapped[str]
    state: Mapped[str]
    """`pending`, `delivered` or `failed`."""
    attempts: Mapped[int]
    due_at: Mapped[float]
    """When it may be sent; while it is, when its sender is taken for dead."""
    since: Mapped[float]
    """When it was first due, or replayed: how long it is tried counts from here."""
    created_at: Mapped[float]
    status: Mapped[int | None]
    """HTTP status of the last answer."""
    error: Mapped[str | None]
    """Why the last try failed, in words."""
    settled_at: Mapped[float | None]
