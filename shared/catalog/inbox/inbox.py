"""Where submissions become revisions, and refused messages are kept."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from shared.catalog.collections.naming import IS_THERE
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.inbox.accepting import store
from shared.catalog.inbox.amending import amend
from shared.catalog.inbox.drafts import REFUSALS, Parcel, clean, pack, rejection
from shared.catalog.inbox.standings import lock_known
from shared.catalog.queue import flows
from shared.catalog.tables import CollectionRow, KeyRow, RejectionRow
from shared.domain import Amendment, Receipt, ReceiptEntry, Rejection, Submission
from shared.errors import InvalidRequest, KeyReused


class SqlInbox:
    """The port `Inbox` in SQL."""

    def __init__(self, database: Database, *, kept_bytes: int = 1024 * 1024) -> None:
        self._database = database
        self._kept_bytes = kept_bytes

    def accept(self, submission: Submission, *, hold_seconds: float = 0.0) -> Receipt:
        """Store every document as a pending revision (or `unchanged`) of a new job.

        With *hold_seconds*, no worker claims them before so much time has passed; only
        `Claims.claim_job` does.

        Raises:
            CollectionNotFound: no such collection.
            KeyReused: the key was used with other content; kept as a rejection.
            DocumentNotFound: a delete names a document that does not exist.
            InvalidDocument: a document holds what the database cannot store.
        """
        parcel = pack(submission)
        try:
            return self._database.run(lambda tx: store(tx, parcel, hold_seconds))
        except KeyReused as error:
            refused = rejection(submission, error)
            self._database.run(lambda tx: self._keep(tx, refused))
            raise

    def amend(self, amendment: Amendment) -> Receipt:
        """Store what *amendment* makes of a document as a pending revision of a new job.

        Raises:
            CollectionNotFound: no such collection.
            KeyReused: the key was used with other content.
            DocumentNotFound: there is no such document, or its newest revision deletes it.
            InvalidDocument: what *amendment* makes of it is none.
        """
        return self._database.run(lambda tx: amend(tx, amendment))

    def take(self, letters: Sequence[Submission | Rejection]) -> Sequence[Receipt | Rejection]:
        """Store many letters in one transaction, each as `accept` or as a rejection."""
        packed = [_packed(letter) for letter in letters]
        parcels = [one for one in packed if isinstance(one, Parcel)]

        def work(tx: Connection) -> list[Receipt | Rejection]:
            lock_known(tx, parcels)
            flows.hold(tx, [one.submission for one in parcels])
            return [self._deliver(tx, one) for one in packed]

        return self._database.run(work)

    def receipts(self, key: str) -> Sequence[ReceiptEntry]:
        """Return what became of the messages with this key, newest first; empty if none."""
        key = clean(key)
        accepted = (
            select(KeyRow.source, KeyRow.job_id, KeyRow.received_at, CollectionRow.name)
            .join(CollectionRow, CollectionRow.id == KeyRow.collection_id)
            .where(KeyRow.key == key, IS_THERE)
        )
        refused = select(RejectionRow).where(RejectionRow.key == key)
        with self._database.read() as tx:
            entries = [
                ReceiptEntry(
                    key=key,
                    collection=row.name,
                    source=row.source,
                    status="accepted",
                    job_id=row.job_id,
                    reason=None,
                    detail=None,
                    received_at=row.received_at,
                )
                for row in tx.execute(accepted)
            ]
            entries += [
                ReceiptEntry(
                    key=key,
                    collection=row.collection,
                    source=row.source,
                    status="rejected",
                    job_id=None,
                    reason=row.reason,
                    detail=row.detail,
                    received_at=row.received_at,
                )
                for row in tx.execute(refused)
            ]
        return sorted(entries, key=lambda entry: entry.received_at, reverse=True)

    def _deliver(self, tx: Connection, letter: Parcel | Rejection) -> Receipt | Rejection:
        if isinstance(letter, Parcel):
            try:
                with tx.begin_nested():
                    return store(tx, letter)
            except REFUSALS as error:
                letter = rejection(letter.submission, error)
        self._keep(tx, letter)
        return letter

    def _keep(self, tx: Connection, letter: Rejection) -> None:
        tx.execute(
            insert(RejectionRow).values(
                source=clean(letter.source),
                reason=clean(letter.reason),
                detail=clean(letter.detail),
                collection=clean(letter.collection),
                key=clean(letter.key),
                form=letter.form,
                size=len(letter.raw) if letter.size is None else letter.size,
                raw=letter.raw[: self._kept_bytes],
                received_at=db_now(),
            )
        )


def _packed(letter: Submission | Rejection) -> Parcel | Rejection:
    if isinstance(letter, Rejection):
        return letter
    try:
        return pack(letter)
    except InvalidRequest as error:
        return rejection(letter, error)
