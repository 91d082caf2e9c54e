"""What processes counted."""

from sqlalchemy import PrimaryKeyConstraint
from sqlalchemy.orm import Mapped

from shared.catalog.tables.row import Row


class MeasureRow(Row):
    """A number that only grows: of a counter, or one bucket of a histogram."""

    __tablename__ = "measures"
    __table_args__ = (PrimaryKeyConstraint("name", "labels"),)

    name: Mapped[str]
    labels: Mapped[str]
    """JSON list of name and value of each, by name."""
    value: Mapped[float]
