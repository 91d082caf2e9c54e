"""Names of collections: their own, and aliases that lead to them.

A collection that is deleted gives its name up: its row has one that no collection can have, so
whoever asks for it by name, of whatever version of Lamina, finds nothing.
"""

import re

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, or_, select, text

from shared.catalog.tables import AliasRow, CollectionRow
from shared.domain.names import COLLECTION_NAME
from shared.errors import CollectionExists, CollectionNotFound, InvalidRequest

_NAME = re.compile(COLLECTION_NAME)


def check_name(name: str) -> None:
    """Refuse what cannot name a collection, nor be an alias.

    Raises:
        InvalidRequest: it is not lower-case letters, digits, `-` and `_`, up to 63.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"{name!r} cannot name a collection: use 1 to 63 of a-z, 0-9, '-' and '_', "
            "starting with a letter or digit."
        )


def given_up(collection_id: int) -> str:
    """Return the name of a deleted collection's row, which `check_name` lets nobody take."""
    return f"deleted:{collection_id}"


def named(wanted: BindParameter[str] | str) -> ColumnElement[bool]:
    """Return the condition that a collection is what a name, or an alias, means."""
    meant = select(AliasRow.collection_id).where(AliasRow.name == wanted)
    return or_(CollectionRow.name == wanted, CollectionRow.id.in_(meant)) & IS_THERE


def find(tx: Connection, name: str) -> int:
    """Return the id of the collection that *name* means; `CollectionNotFound` if there is none."""
    found = tx.scalar(_FIND, {"wanted": name})
    if found is None:
        raise CollectionNotFound(f"No collection is called {name!r}.")
    return found


def hold_names(tx: Connection) -> None:
    """Let nobody else take a name, for a collection or an alias, until the commit."""
    if tx.dialect.name != "sqlite":  # where there is one writer
        tx.execute(_HOLD)


def check_free(tx: Connection, name: str) -> None:
    """Refuse a name that is taken; call `hold_names` before.

    Raises:
        CollectionExists: a collection or an alias has it.
    """
    if tx.scalar(select(AliasRow.name).where(AliasRow.name == name)) is not None:
        raise CollectionExists(f"{name!r} is an alias; remove it first, or take another name.")
    if tx.scalar(select(CollectionRow.id).where(CollectionRow.name == name)) is not None:
        raise CollectionExists(f"A collection called {name!r} exists.")


IS_THERE = CollectionRow.deleted_at.is_(None)
"""Of a collection: it is not deleted."""
DELETED = select(CollectionRow.id).where(CollectionRow.deleted_at.is_not(None))
"""The ids of deleted collections."""
_FIND = select(CollectionRow.id).where(named(bindparam("wanted")))
_HOLD = text("LOCK TABLE aliases IN SHARE ROW EXCLUSIVE MODE")
