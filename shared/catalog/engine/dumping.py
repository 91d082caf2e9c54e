"""The whole catalog as rows of JSON, out of one kind of database and into the same or another."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import (
    Column,
    Connection,
    Inspector,
    LargeBinary,
    MetaData,
    Table,
    delete,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from shared.catalog.content.reading import head_of
from shared.catalog.engine import migrating
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.files.leftovers import read_kept
from shared.catalog.rebuilds.remains import begin_anew
from shared.catalog.tables import (
    ACTIVE,
    CLAIMED,
    EXPIRED,
    LIVE,
    AttemptRow,
    ChoreRow,
    ClaimRow,
    DamageRow,
    LeaseRow,
    ProcessRow,
    RevisionRow,
    UploadRow,
    VersionRow,
)
from shared.domain import Bytes, Head, Json, State, UploadState
from shared.errors import ArchiveRefused, ConfigurationError
from shared.ports.dump import Tables

_PAGE = 500  # rows in one statement
_MANAGED = frozenset({"alembic_version"})
_REASON = "The catalog was loaded from a backup."


class SqlDump:
    """The port `Dump` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def reading(self) -> Iterator["SqlTables"]:
        """Open one read transaction over all tables; writers go on meanwhile.

        Raises:
            ConfigurationError: there is no catalog, or it is not of this version.
        """
        with self._database.read() as tx:
            yield SqlTables(tx)

    def empty(self) -> bool:
        """Whether there is no catalog yet, so that one can be loaded."""
        migrating.prepare(self._database.url)
        with self._database.read() as tx:
            return not inspect(tx).get_table_names()

    def load(self, tables: Tables) -> None:
        """Make a catalog of *tables*, brought to the newest schema, all of it or none of it.

        Raises:
            ConfigurationError: there is a catalog already, or this program does not know the
                revision of the tables.
            ArchiveRefused: rows that do not fit the tables.
        """
        migrating.prepare(self._database.url)
        with self._database.write() as tx:
            if inspect(tx).get_table_names():
                raise ConfigurationError("The database is not empty: it has tables already.")
            _migrate(tx, tables.revision)
            try:
                _fill(tx, tables)
            except (IntegrityError, DataError, StatementError) as error:
                raise ArchiveRefused(f"A row does not fit the catalog: {error}") from error
            _set_sequences(tx, tables.sequences)
            migrating.upgrade(tx)
            _release(tx)


class SqlTables:
    """The port `TablesNow` over one transaction."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        revision = MigrationContext.configure(tx).get_current_revision()
        if revision is None:
            raise ConfigurationError("There is no catalog in this database.")
        if revision != migrating.newest():
            raise ConfigurationError(
                "The catalog is not of this version of Lamina; `lamina migrate` brings it up to "
                "date."
            )
        self.revision = revision

    @cached_property
    def _tables(self) -> dict[str, Table]:
        return _describe(inspect(self._tx))

    @property
    def names(self) -> Sequence[str]:
        """Every table, each after those that it refers to."""
        return tuple(self._tables)

    @cached_property
    def sequences(self) -> Mapping[str, int]:
        """The last id given, by table, where ids are never given again."""
        if self._tx.dialect.name == "sqlite":
            given = self._tx.execute(text("SELECT name, seq FROM sqlite_sequence"))
            return {row.name: row.seq for row in given}
        found = {}
        for table, sequence in _postgresql_sequences(self._tx, self._tables):
            # Its name comes from the database, quoted where that is needed.
            last = text(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608
            row = self._tx.execute(last).one()
            found[table] = row.last_value if row.is_called else 0
        return found

    def rows(self, table: str) -> Iterator[Mapping[str, Json]]:
        """Yield the rows of a table, columns by name; bytes as base64."""
        wanted = self._tables[table]
        read = select(wanted).order_by(*wanted.primary_key.columns)
        found = self._tx.execution_options(yield_per=_PAGE).execute(read)
        binary = _binary(wanted)
        for row in found.mappings():
            values = dict(row)
            for name in binary & values.keys():
                if values[name] is not None:
                    values[name] = base64.b64encode(values[name]).decode()
            yield values

    def heads(self) -> Sequence[Head]:
        """Return every live version with a manifest, of every collection."""
        live = select(VersionRow.__table__).where(
            VersionRow.state == LIVE, VersionRow.manifest_file != ""
        )
        order = VersionRow.collection_id, VersionRow.version
        return [head_of(row) for row in self._tx.execute(live.order_by(*order))]

    def files(self) -> Sequence[Bytes]:
        """Return the stored bytes of files that wait to be parsed, or are kept."""
        return read_kept(self._tx)


def _describe(inspector: Inspector) -> dict[str, Table]:
    """Return the tables as they are in the database, each after those that it refers to.

    Not those of this program: a backup may be in an older schema. Only names and types, since
    SQLAlchemy cannot read every index back and warns of those.
    """
    metadata = MetaData()
    described = {}
    for name, _ in inspector.get_sorted_table_and_fkc_names():
        if name is None or name in _MANAGED:
            continue
        keys = inspector.get_pk_constraint(name)["constrained_columns"]
        columns = [
            Column(one["name"], one["type"], primary_key=one["name"] in keys)
            for one in inspector.get_columns(name)
        ]
        described[name] = Table(name, metadata, *columns)
    return described


def _binary(table: Table) -> frozenset[str]:
    return frozenset(one.name for one in table.columns if isinstance(one.type, LargeBinary))


def _postgresql_sequences(tx: Connection, tables: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the tables whose ids a sequence gives, and its name as SQL."""
    for table in tables:
        if any(one["name"] == "id" for one in inspect(tx).get_columns(table)):
            asked = {"table": table}
            name = tx.scalar(text("SELECT pg_get_serial_sequence(:table, 'id')"), asked)
            if name is not None:
                yield table, name


def _migrate(tx: Connection, revision: str) -> None:
    try:
        command.upgrade(migrating.config(tx), revision)
    except CommandError as error:
        raise ConfigurationError(
            f"The backup has the schema {revision!r}, which this version of Lamina does not know: "
            "load it with the version that wrote it, or a newer one."
        ) from error


def _fill(tx: Connection, tables: Tables) -> None:
    described = _describe(inspect(tx))
    if unknown := set(tables.names) ^ described.keys():
        raise ArchiveRefused(
            f"The backup's tables are not those of its schema: {', '.join(sorted(unknown))}."
        )
    for name, table in described.items():
        # A new schema comes with its counters at zero; the backup's take their place.
        tx.execute(delete(table))
        binary = _binary(table)
        for page in _pages(tables.rows(name)):
            tx.execute(insert(table), [_restored(row, binary) for row in page])


def _pages(rows: Iterator[Mapping[str, Json]]) -> Iterator[list[Mapping[str, Json]]]:
    page: list[Mapping[str, Json]] = []
    for row in rows:
        page.append(row)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _restored(row: Mapping[str, Json], binary: frozenset[str]) -> dict[str, Any]:
    values: dict[str, Any] = dict(row)
    for name in binary & values.keys():
        if isinstance(values[name], str):
            values[name] = base64.b64decode(values[name], validate=True)
    return values


def _set_sequences(tx: Connection, sequences: Mapping[str, int]) -> None:
    """Let new ids begin above all that were ever given, erased ones too."""
    if tx.dialect.name == "sqlite":
        for table, last in sequences.items():
            values = {"name": table, "last": last}
            tx.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
            tx.execute(text("INSERT INTO sqlite_sequence VALUES (:name, :last)"), values)
        return
    for table, sequence in _postgresql_sequences(tx, sequences):
        values = {"name": sequence, "last": max(sequences[table], 1)}
        given = sequences[table] > 0
        tx.execute(
            text("SELECT setval(CAST(:name AS regclass), :last, :given)"),
            values | {"given": given},
        )


def _release(tx: Connection) -> None:
    """Give back whatever processes of the old installation were doing."""
    for gone in (LeaseRow, ProcessRow, DamageRow):
        tx.execute(delete(gone))
    tx.execute(
        update(ClaimRow)
        .where(ClaimRow.state == ACTIVE)
        .values(state="released", ended_at=db_now(), reason=_REASON)
    )
    tx.execute(
        update(RevisionRow)
        .where(RevisionRow.state == CLAIMED)
        .values(state=State.PENDING.value, claim_id=None)
    )
    begin_anew(tx)
    tx.execute(
        update(UploadRow)
        .where(UploadRow.state == UploadState.CLAIMED.value)
        .values(state=UploadState.PENDING.value, epoch=UploadRow.epoch + 1)
    )
    tx.execute(
        update(AttemptRow)
        .where(AttemptRow.state == ACTIVE)
        .values(state="abandoned", ended_at=db_now())
    )
    tx.execute(
        update(ChoreRow)
        .where(ChoreRow.state == ACTIVE)
        .values(state="lost", ended_at=db_now(), detail=_REASON)
    )
    tx.execute(update(VersionRow).where(VersionRow.state == EXPIRED).values(state="buried"))
