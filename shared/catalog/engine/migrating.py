"""Brings a catalog's schema to the newest revision, and tells who can work with which.

Programs of two versions of Lamina may run on one catalog while an upgrade is under way. Each
migration says in `oldest_program` the oldest schema revision whose programs go on working after
it: one that only adds repeats what the one before it says, one that does not names itself. It is
kept in the catalog, as the counter of that name, where programs find it that know nothing of the
migration. What such a program would harm may raise it when it is first used. So a program

- that knows the catalog's revision as its newest works;
- that knows newer ones waits until the catalog is migrated;
- that does not know the catalog's revision works if it is as new as `oldest_program`, and
  otherwise refuses to start, or finishes what it has in hand and stops.
"""

from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, func, inspect, select, text, update

from shared.catalog.engine.dialect import insert_new
from shared.catalog.tables import CounterRow
from shared.errors import CatalogUnavailable, ConfigurationError

_LOCK = 0x1A_AD_1A  # any number that nobody else takes
_OLDEST_PROGRAM = "oldest_program"


def prepare(url: URL) -> None:
    """Make the folder of a SQLite file."""
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def upgrade(connection: Connection) -> None:
    """Run what is missing, all in the transaction that *connection* is in.

    On SQLite that transaction is itself the lock; PostgreSQL takes an advisory one until its end.
    A newer catalog that this program can work with stays as it is.

    Raises:
        ConfigurationError: the catalog is too new for this program.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    found = revision_of(connection)
    if found == newest():
        return
    if found is not None and found not in known():
        _refuse_if_too_new(connection, found)
        return
    try:
        command.upgrade(config(connection), "head")
    except CommandError as error:
        raise ConfigurationError(f"The catalog cannot be migrated: {error}") from error
    new = insert_new(connection.dialect.name, CounterRow).values(
        name=_OLDEST_PROGRAM, value=_oldest_program()
    )
    # Never lowered: using what is new may have raised it.
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["name"],
            set_={"value": new.excluded.value},
            where=CounterRow.value < new.excluded.value,
        )
    )


def check(connection: Connection) -> None:
    """Make sure that this program can work with the catalog.

    Raises:
        CatalogUnavailable: the catalog is not migrated yet.
        ConfigurationError: it is too new for this program.
    """
    found = revision_of(connection)
    if found == newest():
        return
    if found is None:
        raise CatalogUnavailable("There is no catalog yet; `lamina migrate` makes it.")
    if found in known():
        raise CatalogUnavailable(
            f"The catalog has the schema {found} and this Lamina needs {newest()}; "
            "`lamina migrate` brings it up to date."
        )
    _refuse_if_too_new(connection, found)


def revision_of(connection: Connection) -> str | None:
    """Return the catalog's schema revision; None before the first migration."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def require(connection: Connection, oldest: int) -> None:
    """Let programs that know no schema as new as *oldest* stop, and not start any more."""
    raised = update(CounterRow).where(CounterRow.name == _OLDEST_PROGRAM, CounterRow.value < oldest)
    connection.execute(raised.values(value=oldest))


def newest() -> str:
    """Return the newest revision that this program knows."""
    return known()[-1]


@cache
def known() -> tuple[str, ...]:
    """Return the revisions that this program knows, oldest first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(script.revision for script in scripts)[::-1]


def config(connection: Connection) -> Config:
    """Return alembic's configuration for the catalog behind *connection*."""
    made = _config()
    made.attributes["connection"] = connection
    return made


def _config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return made


def _refuse_if_too_new(connection: Connection, found: str) -> None:
    oldest = connection.scalar(select(CounterRow.value).where(CounterRow.name == _OLDEST_PROGRAM))
    if oldest is None or int(newest()) < oldest:
        raise ConfigurationError(
            f"A newer Lamina brought the catalog to the schema {found}, and this one, which knows "
            f"schemas up to {newest()}, cannot work with that: install the newer one."
        )


def _oldest_program() -> int:
    """Return what the newest migration says."""
    script: Any = ScriptDirectory.from_config(_config()).get_revision("head")
    return int(script.module.oldest_program)
