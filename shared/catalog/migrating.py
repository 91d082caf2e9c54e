"""Brings a catalog's schema to the newest revision, under a lock."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, func, select

from shared.errors import ConfigurationError

_LOCK = 0x1A_AD_1A  # any number that nobody else takes


def prepare(url: URL) -> None:
    """Make the folder of a SQLite file."""
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def upgrade(connection: Connection) -> None:
    """Run what is missing, all in the transaction that *connection* is in.

    On SQLite that transaction is itself the lock; PostgreSQL takes an advisory one until its end.

    Raises:
        ConfigurationError: the catalog has a revision that this program does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    try:
        command.upgrade(config(connection), "head")
    except CommandError as error:
        raise ConfigurationError(f"The catalog cannot be migrated: {error}") from error


def newest(connection: Connection) -> str | None:
    """Return the newest revision that this program knows."""
    return ScriptDirectory.from_config(config(connection)).get_current_head()


def config(connection: Connection) -> Config:
    """Return alembic's configuration for the catalog behind *connection*."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.attributes["connection"] = connection
    return made
