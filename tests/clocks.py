"""A catalog's clock that a test can put forward and back."""

from sqlalchemy import text

from shared.catalog import Database


def set_ahead(database: Database, seconds: int) -> None:
    """Put the clock of every process with a skewed catalog *seconds* ahead, or back if negative.

    Those are processes with `LAMINA_CLOCK_SKEWED=true`, and databases opened with `skewed=True`.
    """
    with database.write() as tx:
        tx.execute(
            text(
                "INSERT INTO counters (name, value) VALUES ('skew', :seconds) "
                "ON CONFLICT (name) DO UPDATE SET value = :seconds"
            ),
            {"seconds": seconds},
        )
