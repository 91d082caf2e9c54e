"""Installations as earlier releases left them, opened with the program of today.

`tests/golden/installations/REVISION.tar.gz` holds the catalog (SQLite) and the index files of a
small world that the last program with that schema made: versions 1 and 2 of the collection `c`,
and two documents that still waited.
"""

import tarfile
from pathlib import Path

from alembic import command
from sqlalchemy import Boolean, Connection, MetaData, Table, func, insert, select, text

from shared.catalog import Database
from shared.catalog.engine.migrating import config, known, revision_of

GOLDEN = Path(__file__).parent / "golden" / "installations"


def releases() -> list[str]:
    """Return the schema revisions of which there is an installation, oldest first."""
    return sorted(path.name.partition(".")[0] for path in GOLDEN.glob("*.tar.gz"))


def unpack(revision: str, folder: Path) -> Path:
    """Lay the newest installation that is not newer than *revision* into *folder*, brought to it.

    Returns the path of its catalog.
    """
    known_then = known()[: known().index(revision) + 1]
    newest = [one for one in releases() if one in known_then][-1]
    with tarfile.open(GOLDEN / f"{newest}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    path = folder / "catalog.db"
    _upgrade(Database(f"sqlite:///{path}"), revision)
    return path


def move(path: Path, url: str) -> None:
    """Copy the SQLite catalog at *path* into the empty PostgreSQL database at *url*, as it is."""
    source, target = Database(f"sqlite:///{path}"), Database(url)
    with source.read() as tx:
        revision = revision_of(tx)
    assert revision is not None
    _upgrade(target, revision)
    tables = MetaData()
    with source.read() as old, target.write() as new:
        new.execute(text("SET session_replication_role = replica"))  # in whatever order
        tables.reflect(bind=new)
        for table in tables.tables.values():
            if table.name != "alembic_version":
                new.execute(table.delete())
                _copy(old, new, table)
        new.execute(text("SET session_replication_role = DEFAULT"))
    source.close()
    target.close()


def _copy(old: Connection, new: Connection, table: Table) -> None:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    rows = old.execute(text(f'SELECT {columns} FROM "{table.name}"')).mappings()
    flags = {column.name for column in table.columns if isinstance(column.type, Boolean)}
    values = [
        {
            name: bool(value) if name in flags and value is not None else value
            for name, value in row.items()
        }
        for row in rows
    ]
    if values:
        new.execute(insert(table), values)
    for column in table.primary_key.columns:
        if sequence := new.scalar(select(func.pg_get_serial_sequence(table.name, column.name))):
            last = new.scalar(select(func.max(column)))
            new.execute(select(func.setval(sequence, last or 1, last is not None)))


def _upgrade(database: Database, revision: str) -> None:
    with database.write() as tx:
        command.upgrade(config(tx), revision)
    database.close()
