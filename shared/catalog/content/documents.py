"""Many documents at once: listed, or deleted by what their metadata say."""

from collections.abc import Callable

from sqlalchemy import Connection, select

from shared.catalog.collections.naming import find
from shared.catalog.content.listing import list_documents
from shared.catalog.content.matching import file_rest
from shared.catalog.engine.database import Database
from shared.catalog.inbox import deleting
from shared.catalog.publishing.lifetimes import require_live
from shared.catalog.tables import VersionRow
from shared.domain import DocumentFilter, DocumentPage, Receipt, Submission
from shared.domain.filters import Filter


class SqlDocuments:
    """The port `Documents` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, collection: str, which: DocumentFilter, *, limit: int, cursor: str | None = None
    ) -> DocumentPage:
        """Return at most *limit* documents behind the id *cursor*.

        Raises:
            CollectionNotFound, VersionNotFound, VersionExpired
        """
        with self._database.read() as tx:
            collection_id = find(tx, collection)
            if which.version is not None:
                _require_live(tx, collection_id, which.version)
            return list_documents(tx, collection_id, which, limit=limit, cursor=cursor)

    def count(self, collection: str, condition: Filter) -> tuple[int, int]:
        """Return the head's version and how many of its documents match.

        Raises:
            CollectionNotFound: there is none.
        """
        with self._database.read() as tx:
            collection_id = find(tx, collection)
        file_rest(self._database, collection_id)
        with self._database.read() as tx:
            return deleting.count(tx, collection_id, condition)

    def delete(self, submission: Submission, condition: str) -> Receipt:
        """Accept a delete of all that matches; `proceed` carries it out.

        Raises:
            CollectionNotFound, KeyReused
        """
        with self._database.read() as tx:
            collection_id = find(tx, submission.collection)
        file_rest(self._database, collection_id)
        return self._database.run(lambda tx: deleting.begin(tx, submission, condition))

    def proceed(self, read: Callable[[str], Filter], *, limit: int) -> int | None:
        """Carry out a step of an accepted delete; None if there is none to carry out."""

        def work(tx: Connection) -> int | None:
            deletion = deleting.under_way(tx)
            if deletion is None:
                return None
            return deleting.proceed(tx, deletion, read(deletion.condition), limit=limit)

        with self._database.read() as tx:  # nearly always there is none
            if not deleting.is_any_under_way(tx):
                return None
        return self._database.run(work)


def _require_live(tx: Connection, collection_id: int, version: int) -> None:
    state = select(VersionRow.state).where(
        VersionRow.collection_id == collection_id, VersionRow.version == version
    )
    require_live(version, tx.execute(state).one_or_none())
