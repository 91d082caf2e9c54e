"""API keys: who may do what, where; and the record of administrative acts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Scope(StrEnum):
    """What a key is for. `admin` includes all others, `write` includes `search`."""

    METRICS = "metrics"
    """Read `/metrics`, and nothing else."""
    SEARCH = "search"
    """Read: search, look up documents, jobs and versions."""
    WRITE = "write"
    """Also hand documents in, delete them, cancel and replay."""
    ADMIN = "admin"
    """Also change rules, tag, restore, purge and clean up; make keys, if not bound to
    collections."""

    def includes(self, other: "Scope") -> bool:
        """Return whether whoever has this scope may do what *other* allows."""
        if self is Scope.ADMIN or self is other:
            return True
        return self is Scope.WRITE and other is Scope.SEARCH


class KeyStatus(StrEnum):
    """Whether a key opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key about to be made."""

    id: str
    name: str
    scope: Scope
    collections: tuple[str, ...] | None
    """Names of the collections it opens, there yet or not; None for all."""
    sha256: str = field(repr=False)
    """Of the whole key."""
    created_by: str
    days: float | None
    """How long it lives; None for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that was made; the key itself is nowhere, only its sha256."""

    id: str
    """Public: it is part of the key and recognises it in lists and logs."""
    name: str
    scope: Scope
    collections: tuple[str, ...] | None
    """Names of the collections it opens; None for all, those to come included."""
    sha256: str = field(repr=False)
    created_at: float
    created_by: str
    expires_at: float | None
    last_used_at: float | None
    """To about a minute."""
    revoked_at: float | None
    status: KeyStatus
    """When it was read, by the catalog's clock."""

    @property
    def usable(self) -> bool:
        """Whether it opens anything."""
        return self.status is KeyStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and what they may do."""

    name: str
    scope: Scope
    collections: frozenset[str] | None = None
    """None for all."""
    key_id: str | None = None
    """None for whoever needs no key, and for the key of the environment."""

    @classmethod
    def of(cls, key: ApiKey) -> "Caller":
        """Return who has this key."""
        bound = None if key.collections is None else frozenset(key.collections)
        return cls(name=key.name, scope=key.scope, collections=bound, key_id=key.id)

    @property
    def unbound(self) -> bool:
        """Whether every collection is open, and with them what belongs to none."""
        return self.collections is None

    def sees(self, collection: str | None) -> bool:
        """Return whether a collection, or what belongs to none (None), is there for them."""
        return self.collections is None or collection in self.collections

    def may(self, scope: Scope, collection: str | None = None) -> bool:
        """Return whether they may do this in a collection; without one, anywhere at all."""
        return self.scope.includes(scope) and (collection is None or self.sees(collection))


LOCAL = Caller(name="local", scope=Scope.ADMIN)
"""Whoever reaches an installation that needs no key, and the operator's own commands."""
ENVIRONMENT = Caller(name="environment", scope=Scope.ADMIN)
"""Whoever has the admin key of the environment or its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An administrative act: who did what to what."""

    who: str
    """A key's name, `environment` or `local`."""
    key_id: str | None
    address: str
    """Network address it came from; empty for a command on the machine itself."""
    what: str
    """`key.create`, `collection.restore` and so on."""
    target: Mapping[str, str]
    """On what: names and ids, never texts and never secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An act as it was recorded."""

    id: int
    at: float
    act: Act
    outcome: str | None
    """`done`, `refused`, `failed`; None while it goes on, or if the process ended meanwhile."""
