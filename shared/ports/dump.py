"""What a backup asks of the catalog: all of its tables, out and in again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from shared.domain import Bytes, Head, Json


class Tables(Protocol):
    """Every row of a catalog at one moment."""

    @property
    def revision(self) -> str:
        """The revision of the schema that the rows are in."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Every table, each after those that it refers to."""
        ...

    @property
    def sequences(self) -> Mapping[str, int]:
        """The last id given, by table, where ids are never given again."""
        ...

    def rows(self, table: str) -> Iterator[Mapping[str, Json]]:
        """Yield the rows of a table, columns by name; bytes as base64."""
        ...


class TablesNow(Tables, Protocol):
    """The tables as one transaction sees them."""

    def heads(self) -> Sequence[Head]:
        """Return every live version with a manifest, of every collection."""
        ...

    def files(self) -> Sequence[Bytes]:
        """Return the stored bytes of files that wait to be parsed, or are kept."""
        ...


class Dump(Protocol):
    """The catalog as a whole."""

    def reading(self) -> AbstractContextManager[TablesNow]:
        """Open one read transaction over all tables; writers go on meanwhile.

        Raises:
            ConfigurationError: there is no catalog, or it is not of this version.
        """
        ...

    def empty(self) -> bool:
        """Whether there is no catalog yet, so that one can be loaded."""
        ...

    def load(self, tables: Tables) -> None:
        """Make a catalog of *tables*, brought to the newest schema, all of it or none of it.

        Nothing is under way in it: leases, processes and quarantine are gone, claims released,
        attempts abandoned, chores lost, and versions that had expired have no files.

        Raises:
            ConfigurationError: there is a catalog already, or this program does not know the
                revision of the tables.
            ArchiveRefused: rows that do not fit the tables.
        """
        ...
