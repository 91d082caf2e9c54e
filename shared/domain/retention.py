"""Which versions stay."""

from dataclasses import dataclass

from shared.domain.values import VersionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """Which versions of a collection stay besides the head, tagged and leased ones."""

    versions: int = 20
    """The newest versions with other content than the one before (at least 1)."""
    days: float = 7.0
    """How long older ones stay; 0 for not at all."""
    thinned: bool = True
    """Of these, one a minute of the last hour, one an hour of the last day, one a day of the
    rest; false keeps all of them."""


DEFAULT_RETENTION_RULE = RetentionRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """A version whose files are still there, and what holds it."""

    version: int
    kind: VersionKind
    published_at: float
    manifest_file: str
    manifest_sha256: str
    tags: tuple[str, ...] = ()
    leased: bool = False
    expired_at: float | None = None
    """When the rule let it go; its files stay a while for readers that just opened it."""
    space_id: int = 0
    """Of its vectors."""
