"""API keys, sessions ended early, and the record of administrative acts."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import NO_REUSE, Row


class ApiKeyRow(Row):
    """A key that was made; `keys` are those of idempotency."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    scope: Mapped[str]
    collections: Mapped[str | None]
    """JSON list of names; NULL for all."""
    sha256: Mapped[str]
    created_at: Mapped[float]
    created_by: Mapped[str]
    expires_at: Mapped[float | None]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class SignOutRow(Row):
    """A session that ended before its time."""

    __tablename__ = "sign_outs"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[float]
    """When it would have ended by itself, so that this may be forgotten."""


class AuditRow(Row):
    """An administrative act; written before it happens."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "at"), NO_REUSE)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    who: Mapped[str]
    key_id: Mapped[str | None]
    address: Mapped[str]
    what: Mapped[str]
    target: Mapped[str]
    """JSON object of names and ids."""
    outcome: Mapped[str | None]
    """NULL until it is known."""
