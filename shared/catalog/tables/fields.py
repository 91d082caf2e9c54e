"""Metadata by field, to filter by."""

from sqlalchemy import ForeignKey, PrimaryKeyConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import Row, partial

# On PostgreSQL in the order of bytes, which in UTF-8 is that of code points: SQLite's and Python's.
BY_CODE_POINT = Text().with_variant(Text(collation="C"), "postgresql")


class FieldRow(Row):
    """A value that a revision's metadata hold at a path; equal ones once. See `fields.py`."""

    __tablename__ = "fields"
    __table_args__ = (
        PrimaryKeyConstraint("revision_id", "place"),
        partial(
            "ix_fields_text",
            "collection_id",
            "path",
            "text",
            "revision_id",
            where="text IS NOT NULL",
        ),
        partial(
            "ix_fields_number",
            "collection_id",
            "path",
            "number",
            "revision_id",
            where="number IS NOT NULL",
        ),
        partial(
            "ix_fields_kind",
            "collection_id",
            "path",
            "kind",
            "revision_id",
            where="kind NOT IN ('text', 'number')",
        ),
    )

    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    place: Mapped[int]
    collection_id: Mapped[int]
    path: Mapped[str] = mapped_column(BY_CODE_POINT)
    kind: Mapped[str]
    number: Mapped[float | None]
    text: Mapped[str | None] = mapped_column(BY_CODE_POINT)
    """At most the first `fields.HEAD` characters."""
    whole: Mapped[str | None] = mapped_column(BY_CODE_POINT)
    """All of a text that is longer."""
