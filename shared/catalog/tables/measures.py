"""What processes counted, and how the installation was lately."""

from sqlalchemy import PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import Row


class MeasureRow(Row):
    """A number that only grows: of a counter, or one bucket of a histogram."""

    __tablename__ = "measures"
    __table_args__ = (PrimaryKeyConstraint("name", "labels"),)

    name: Mapped[str]
    labels: Mapped[str]
    """JSON list of name and value of each, by name."""
    value: Mapped[float]


class ReadingRow(Row):
    """How the installation was at one moment: a ring, whose oldest rows go as new ones come."""

    __tablename__ = "readings"

    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Time over the time between two readings: of several upkeep processes one takes each."""
    at: Mapped[float]
    detail: Mapped[str]
    """JSON of the reading; see `shared/catalog/upkeep/history.py`."""
