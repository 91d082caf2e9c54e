"""Upkeep under a lease, damage found, and how live queries did."""

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import NO_REUSE, Row, partial


class ChoreRow(Row):
    """One piece of upkeep; while it is active, its row is the lease of whoever does it."""

    __tablename__ = "chores"
    __table_args__ = (
        # The arbiter: of two processes that begin the same chore, one gets this row.
        partial("uq_chores_active", "collection_id", "kind", where="state = 'active'", unique=True),
        Index(None, "collection_id", "kind", "id"),
        NO_REUSE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    kind: Mapped[str]
    state: Mapped[str]
    """`active`, `done`, `failed` or `lost`."""
    holder: Mapped[str]
    started_at: Mapped[float]
    lease_until: Mapped[float]
    done: Mapped[int]
    total: Mapped[int]
    detail: Mapped[str]
    ended_at: Mapped[float | None]


class DamageRow(Row):
    """A file in quarantine."""

    __tablename__ = "damages"
    __table_args__ = (PrimaryKeyConstraint("collection_id", "key"),)

    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    key: Mapped[str]
    segment_id: Mapped[str | None]
    """Of a segment or, being found before it is listed, of none that the catalog knows."""
    reason: Mapped[str]
    found_at: Mapped[float]


class RecallRow(Row):
    """How one live query compared with the exact answer."""

    __tablename__ = "recall_samples"
    __table_args__ = (Index(None, "collection_id", "id"), NO_REUSE)

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    version: Mapped[int]
    k: Mapped[int]
    recall: Mapped[float]
    sampled_at: Mapped[float]
