"""Maps of versions."""

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped

from shared.catalog.tables.row import Row


class MapRow(Row):
    """The map of a version, or the wish for it; it goes when the version expires."""

    __tablename__ = "maps"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "version"),
        ForeignKeyConstraint(
            ["collection_id", "version"], ["versions.collection_id", "versions.version"]
        ),
    )

    collection_id: Mapped[int]
    version: Mapped[int]
    state: Mapped[str]
    """`wanted`, `done` or `failed`."""
    sample: Mapped[int]
    seed: Mapped[int]
    requested_at: Mapped[float]
    tries: Mapped[int]
    """How often a process began and did not say how it ended."""
    ended_at: Mapped[float | None]
    detail: Mapped[str]
    """Why it failed."""
    content: Mapped[str | None]
    """What was drawn, as JSON: ids of vectors, their places and clusters, no texts."""
