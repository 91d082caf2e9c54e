"""What access asks of the catalog. Any call may raise `CatalogUnavailable`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from shared.domain import Act, ApiKey, AuditEntry, NewKey


class Keys(Protocol):
    """API keys, and sessions that were ended early."""

    def add(self, key: NewKey) -> ApiKey:
        """Keep a new key."""
        ...

    def find(self, key_id: str) -> ApiKey | None:
        """Return a key, revoked and expired ones too; None if there never was one."""
        ...

    def made(self) -> Sequence[ApiKey]:
        """Return every key that was ever made, newest first."""
        ...

    def any_made(self) -> bool:
        """Return whether a key was ever made. Once true, it stays so."""
        ...

    def revoke(self, key_id: str) -> ApiKey:
        """End a key at once; one that was revoked before keeps its time.

        Raises:
            KeyNotFound: there is none.
        """
        ...

    def used(self, key_ids: Collection[str], *, every_seconds: float) -> None:
        """Stamp keys as used now, where the last stamp is older than *every_seconds*."""
        ...

    def sign_out(self, session_id: str, *, within_seconds: float) -> None:
        """End a session that would end by itself *within_seconds*."""
        ...

    def signed_out(self, session_id: str) -> bool:
        """Return whether a session was ended."""
        ...


class Audit(Protocol):
    """The record of administrative acts."""

    def begin(self, act: Act, *, kept_seconds: float) -> int:
        """Record that an act is about to happen; return the entry's id.

        Now and then entries older than *kept_seconds* are removed.
        """
        ...

    def end(self, entry_id: int, outcome: str, target: Mapping[str, str]) -> None:
        """Record how an act went, and what more is known of its target."""
        ...

    def entries(self, *, limit: int, before: int | None = None) -> Sequence[AuditEntry]:
        """Return the newest entries, those with an id below *before* if given."""
        ...
