"""How versions came to be, and what is live in each."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import Row, partial

_KEPT = "state IN ('live', 'expired')"


def _of_version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["collection_id", "version"], ["versions.collection_id", "versions.version"]
    )


class AttemptRow(Row):
    """One registered try to publish."""

    __tablename__ = "attempts"
    __table_args__ = (partial("ix_attempts_active", "claim_id", where="state = 'active'"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    claim_id: Mapped[int | None] = mapped_column(ForeignKey("claims.id"))
    worker: Mapped[str]
    state: Mapped[str]
    """`active`, `committed`, `revoked` or `abandoned`."""
    first_vector_id: Mapped[int]
    vectors: Mapped[int]
    started_at: Mapped[float]
    ended_at: Mapped[float | None]


class VersionRow(Row):
    """One version of a collection."""

    __tablename__ = "versions"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "version"),
        partial("ix_versions_kept", "collection_id", "version", where=_KEPT),
        partial("ix_versions_buried", "collection_id", "version", where="state = 'buried'"),
    )

    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    version: Mapped[int]
    kind: Mapped[str]
    parent: Mapped[int | None]
    manifest_file: Mapped[str]
    manifest_sha256: Mapped[str]
    attempt_id: Mapped[str | None] = mapped_column(ForeignKey("attempts.id"), unique=True)
    documents: Mapped[int]
    vectors: Mapped[int]
    segments: Mapped[int]
    bytes: Mapped[int]
    published_at: Mapped[float]
    first_loaded_at: Mapped[float | None]
    state: Mapped[str]
    """`live`; `expired`, its files still there; `buried`, its files removed; `forgotten`, and so
    are the texts that only it held."""
    tag: Mapped[str | None]
    """Never used: tags have a table. Stays while processes of earlier code may select it."""
    expired_at: Mapped[float | None]
    restored: Mapped[int | None]
    """The version that it made the head's content again."""
    space_id: Mapped[int | None]
    """Of its vectors; NULL for the live space, in versions of before there could be another."""


class TagRow(Row):
    """A user's name for a version."""

    __tablename__ = "tags"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "name"),
        _of_version(),
        Index(None, "collection_id", "version"),
    )

    collection_id: Mapped[int]
    name: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[float]


class LeaseRow(Row):
    """A reader of a version, which does not expire meanwhile."""

    __tablename__ = "leases"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "version", "holder"),
        _of_version(),
    )

    collection_id: Mapped[int]
    version: Mapped[int]
    holder: Mapped[str]
    until: Mapped[float]


class HeadRow(Row):
    """Where a collection stands now."""

    __tablename__ = "heads"

    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"), primary_key=True)
    version: Mapped[int]
    manifest_file: Mapped[str]
    manifest_sha256: Mapped[str]
    published_at: Mapped[float]


class SegmentRow(Row):
    """A segment and the versions that list it; a mirror of the manifests."""

    __tablename__ = "segments"
    __table_args__ = (Index(None, "collection_id", "last_version"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"))
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"))
    rows: Mapped[int]
    min_id: Mapped[int]
    max_id: Mapped[int]
    bytes: Mapped[int]
    sha256: Mapped[str]
    first_version: Mapped[int]
    last_version: Mapped[int | None]
    """The last version that lists it; NULL while the head does."""


class LivenessRow(Row):
    """A revision is what its document says in versions `from_version <= v < to_version`."""

    __tablename__ = "liveness"
    __table_args__ = (
        PrimaryKeyConstraint("revision_id", "from_version"),
        partial("uq_liveness_open", "document_id", where="to_version IS NULL", unique=True),
        Index(None, "collection_id", "from_version"),
        Index(None, "collection_id", "to_version"),
        Index(None, "document_id"),
    )

    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    kind: Mapped[str]
    from_version: Mapped[int]
    to_version: Mapped[int | None]
    settled_id: Mapped[int]
    """The newest revision that this answers: its own, or a later one that said the same."""


class CounterRow(Row):
    """A number that only grows: `head` moves with every head, others are the last id given."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
