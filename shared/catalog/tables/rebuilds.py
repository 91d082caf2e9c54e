"""Rebuilds of collections in other spaces: what is asked for, how far it is, and its segments."""

from sqlalchemy import ForeignKey, PrimaryKeyConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import Row, partial


class RebuildRow(Row):
    """One rebuild of a collection; its job has the same id."""

    __tablename__ = "rebuilds"
    __table_args__ = (
        # The arbiter: of two that are asked for at once, one gets this row.
        partial("uq_rebuilds_running", "collection_id", where="state = 'running'", unique=True),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"))
    state: Mapped[str]
    """`running`, `done` or `cancelled`."""
    forced: Mapped[bool] = mapped_column(server_default=false())
    place: Mapped[int]
    """The revision up to which those that are live have been put into the queue."""
    held_until: Mapped[float | None]
    """Until then no other work of the collection is claimed."""
    trouble: Mapped[str | None]
    started_at: Mapped[float]
    ended_at: Mapped[float | None]
    version: Mapped[int | None]
    documents: Mapped[int | None]
    """Of the head when it ended."""
    done: Mapped[int | None]
    """Of them, those in the new space."""
    failed: Mapped[int | None]


class RenditionRow(Row):
    """A revision on its way into a new space."""

    __tablename__ = "renditions"
    __table_args__ = (
        PrimaryKeyConstraint("revision_id", "space_id"),
        partial(
            "ix_renditions_queue",
            "space_id",
            "revision_id",
            "suspect_of",
            where="state = 'pending'",
        ),
        partial("ix_renditions_claimed", "claim_id", where="state = 'claimed'"),
        partial("ix_renditions_failed", "space_id", "revision_id", where="state = 'failed'"),
        partial("ix_renditions_warned", "space_id", "revision_id", where="warnings IS NOT NULL"),
    )

    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"))
    state: Mapped[str]
    """`pending`, `claimed`, `done` or `failed`."""
    claim_id: Mapped[int | None]
    not_before: Mapped[float]
    solo_crashes: Mapped[int]
    """Crashes while it was alone in its claim."""
    suspect_of: Mapped[int | None]
    """The last claim that held it when its worker died."""
    suspects: Mapped[int | None]
    """How many revisions of `suspect_of` one claim may hold."""
    error: Mapped[str | None]
    warnings: Mapped[str | None]
    """JSON list; NULL where there are none, nor were in the old space."""


class PartRow(Row):
    """A segment of a space that is being built; no manifest lists it yet."""

    __tablename__ = "parts"

    id: Mapped[str] = mapped_column(primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"))
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"))
    sha256: Mapped[str]
    rows: Mapped[int]
    min_id: Mapped[int]
    max_id: Mapped[int]
    bytes: Mapped[int]
