"""What collections are called."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select, update

from shared.catalog.collections.collections import SqlCollections
from shared.catalog.collections.naming import IS_THERE, check_free, check_name, find, hold_names
from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import insert_new
from shared.catalog.tables import AliasRow, CollectionRow
from shared.domain import Collection
from shared.errors import CollectionExists, CollectionNotFound, InvalidRequest


class SqlNames:
    """The port `Names` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rename(self, name: str, new: str) -> Collection:
        """Call a collection something else; its id, versions and aliases stay.

        Raises:
            InvalidRequest: *new* is no name.
            CollectionNotFound: there is no such collection.
            CollectionExists: *new* is taken.
        """
        check_name(new)

        def work(tx: Connection) -> int:
            hold_names(tx)
            collection_id = find(tx, name)
            mine = CollectionRow.id == collection_id
            if tx.scalar(select(CollectionRow.name).where(mine)) != new:
                check_free(tx, new)
                tx.execute(update(CollectionRow).where(mine).values(name=new))
            return collection_id

        return SqlCollections(self._database).by_id(self._database.run(work))

    def aliases(self) -> Mapping[str, str]:
        """Return every alias and the name of the collection it leads to, by name."""
        with self._database.glance() as tx:
            return {row.name: row.leads_to for row in tx.execute(_ALIASES)}

    def point(self, aliases: Mapping[str, str | None]) -> None:
        """Make, move and (None) remove aliases, all in one transaction.

        Raises:
            InvalidRequest: an alias is no name, or is to lead to an alias.
            CollectionNotFound: one is to lead nowhere.
            CollectionExists: a collection is called like one.
        """
        for alias in aliases:
            check_name(alias)

        def work(tx: Connection) -> None:
            hold_names(tx)
            for alias, name in sorted(aliases.items()):
                _point(tx, alias, name)

        self._database.run(work)


def _point(tx: Connection, alias: str, name: str | None) -> None:
    if name is None:
        tx.execute(delete(AliasRow).where(AliasRow.name == alias))
        return
    if tx.scalar(select(CollectionRow.id).where(CollectionRow.name == alias)) is not None:
        raise CollectionExists(f"{alias!r} is a collection, so it cannot be an alias.")
    collection_id = tx.scalar(select(CollectionRow.id).where(CollectionRow.name == name, IS_THERE))
    if collection_id is None:
        if tx.scalar(select(AliasRow.name).where(AliasRow.name == name)) is not None:
            raise InvalidRequest(f"{name!r} is an alias itself; name the collection.")
        raise CollectionNotFound(f"No collection is called {name!r}.")
    new = insert_new(tx.dialect.name, AliasRow).values(
        name=alias, collection_id=collection_id, created_at=read_clock(tx)
    )
    tx.execute(
        new.on_conflict_do_update(
            index_elements=["name"], set_={"collection_id": new.excluded.collection_id}
        )
    )


_ALIASES = (
    select(AliasRow.name, CollectionRow.name.label("leads_to"))
    .join(CollectionRow, CollectionRow.id == AliasRow.collection_id)
    .where(IS_THERE)
    .order_by(AliasRow.name)
)
