"""API keys, and the record of administrative acts."""

from typing import Self

from pydantic import Field

from shared.domain import ApiKey, AuditEntry, Caller, KeyStatus, Scope
from web.api.models.base import LARGEST_INTEGER, Body, Question, Shape, Text, Time


class NewKeyBody(Body):
    """A key to make."""

    name: Text = Field(min_length=1, max_length=100)
    """What it is for; shown in lists and in the record of administrative acts."""
    scope: Scope
    collections: list[Text] | None = Field(default=None, min_length=1, max_length=100)
    """Names of the collections that it opens, there yet or not; all if left out."""
    days: float | None = Field(default=None, gt=0, le=3650)
    """How long it lives; for ever if left out."""


class KeyShape(Shape):
    """A key, without the key itself."""

    id: str
    """The part of the key after `lamina_`, by which it can be recognised."""
    name: str
    scope: Scope
    collections: list[str] | None
    """Names of the collections that it opens; null for all."""
    status: KeyStatus
    created_at: Time
    created_by: str
    expires_at: Time | None
    last_used_at: Time | None
    """To about a minute."""
    revoked_at: Time | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Return what the API shows of a key."""
        return cls(
            id=key.id,
            name=key.name,
            scope=key.scope,
            collections=None if key.collections is None else list(key.collections),
            status=key.status,
            created_at=key.created_at,
            created_by=key.created_by,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )


class MadeKeyShape(Shape):
    """A new key."""

    key: str
    """The key itself. It is shown this once, and kept nowhere."""
    details: KeyShape


class KeyList(Shape):
    """Keys, newest first."""

    keys: list[KeyShape]


class KeyPath(Question):
    """The address of a key."""

    key_id: Text


class WhoAmI(Shape):
    """Who asks, and what they may do."""

    name: str
    """Name of the key; `environment` for the admin key of the environment, `local` where no key
    is needed."""
    key_id: str | None
    scope: Scope
    collections: list[str] | None
    """Names of the collections that are open; null for all."""

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """Return what the API shows of whoever asks."""
        return cls(
            name=caller.name,
            key_id=caller.key_id,
            scope=caller.scope,
            collections=None if caller.collections is None else sorted(caller.collections),
        )


class AuditQuery(Question):
    """Which administrative acts to list."""

    limit: int = Field(default=50, ge=1, le=1000)
    before: int | None = Field(default=None, ge=0, le=LARGEST_INTEGER)
    """Only entries with an id below this."""


class AuditShape(Shape):
    """An administrative act."""

    id: int
    at: Time
    who: str
    """Name of the key; `environment` or `local` where it was none."""
    key_id: str | None
    address: str
    """Network address it came from; empty for a command on the machine itself."""
    what: str
    target: dict[str, str]
    """On what: names and ids."""
    outcome: str | None
    """`done`, `refused (403)`, `failed (503)`; null while it goes on, and for ever if the process
    ended meanwhile."""

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Return what the API shows of an act."""
        return cls(
            id=entry.id,
            at=entry.at,
            who=entry.act.who,
            key_id=entry.act.key_id,
            address=entry.act.address,
            what=entry.act.what,
            target=dict(entry.act.target),
            outcome=entry.outcome,
        )


class AuditList(Shape):
    """Administrative acts, newest first."""

    entries: list[AuditShape]
