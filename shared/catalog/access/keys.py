"""API keys, by the public part of each; and sessions that were ended early."""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, insert, literal, select, update

from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.tables import ApiKeyRow, SignOutRow
from shared.domain import ApiKey, KeyStatus, NewKey, Scope
from shared.errors import KeyNotFound

_DAY_SECONDS = 86_400.0


class SqlKeys:
    """The port `Keys` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: NewKey) -> ApiKey:
        """Keep a new key."""
        bound = None if key.collections is None else json.dumps(list(key.collections))
        values = {
            "id": key.id,
            "name": key.name,
            "scope": key.scope.value,
            "collections": bound,
            "sha256": key.sha256,
            "created_at": db_now(),
            "created_by": key.created_by,
            "expires_at": None if key.days is None else db_now() + literal(key.days * _DAY_SECONDS),
        }

        def work(tx: Connection) -> ApiKey:
            tx.execute(insert(ApiKeyRow).values(**values))
            return _key(tx.execute(_KEYS.where(ApiKeyRow.id == key.id)).one())

        return self._database.run(work)

    def find(self, key_id: str) -> ApiKey | None:
        """Return a key, revoked and expired ones too; None if there never was one."""
        with self._database.glance() as tx:
            row = tx.execute(_KEYS.where(ApiKeyRow.id == key_id)).one_or_none()
        return _key(row) if row else None

    def made(self) -> Sequence[ApiKey]:
        """Return every key that was ever made, newest first."""
        newest = _KEYS.order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id)
        with self._database.glance() as tx:
            return [_key(row) for row in tx.execute(newest).all()]

    def any_made(self) -> bool:
        """Return whether a key was ever made. Once true, it stays so: keys are never removed."""
        with self._database.glance() as tx:
            return tx.execute(select(ApiKeyRow.id).limit(1)).one_or_none() is not None

    def revoke(self, key_id: str) -> ApiKey:
        """End a key at once; one that was revoked before keeps its time.

        Raises:
            KeyNotFound: there is none.
        """
        ending = (
            update(ApiKeyRow)
            .where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
            .values(revoked_at=db_now())
        )

        def work(tx: Connection) -> ApiKey:
            tx.execute(ending)
            row = tx.execute(_KEYS.where(ApiKeyRow.id == key_id)).one_or_none()
            if row is None:
                raise KeyNotFound(f"There is no key {key_id!r}.")
            return _key(row)

        return self._database.run(work)

    def used(self, key_ids: Collection[str], *, every_seconds: float) -> None:
        """Stamp keys as used now, where the last stamp is older than *every_seconds*."""
        stamp = (
            update(ApiKeyRow)
            .where(
                ApiKeyRow.id.in_(key_ids),
                ApiKeyRow.last_used_at.is_(None)
                | (ApiKeyRow.last_used_at < db_now() - literal(every_seconds)),
            )
            .values(last_used_at=db_now())
        )
        self._database.run(lambda tx: tx.execute(stamp).rowcount)

    def sign_out(self, session_id: str, *, within_seconds: float) -> None:
        """End a session that would end by itself *within_seconds*."""

        def work(tx: Connection) -> None:
            tx.execute(delete(SignOutRow).where(SignOutRow.until < db_now()))
            new = insert_new(tx.dialect.name, SignOutRow)
            until = db_now() + literal(within_seconds)
            tx.execute(new.values(session_id=session_id, until=until).on_conflict_do_nothing())

        self._database.run(work)

    def signed_out(self, session_id: str) -> bool:
        """Return whether a session was ended."""
        ended = select(SignOutRow.until).where(SignOutRow.session_id == session_id)
        with self._database.glance() as tx:
            return tx.execute(ended).one_or_none() is not None


_KEYS = select(ApiKeyRow.__table__, db_now().label("now"))


def _key(row: AnyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scope=Scope(row.scope),
        collections=None if row.collections is None else tuple(json.loads(row.collections)),
        sha256=row.sha256,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        status=_status(row),
    )


def _status(row: AnyRow) -> KeyStatus:
    if row.revoked_at is not None:
        return KeyStatus.REVOKED
    expired = row.expires_at is not None and row.expires_at <= row.now
    return KeyStatus.EXPIRED if expired else KeyStatus.ACTIVE
