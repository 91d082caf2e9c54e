"""Collections, what they hold, and the queue of what they shall hold."""

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import NO_REUSE, Row, partial


class CollectionRow(Row):
    """A collection."""

    __tablename__ = "collections"
    __table_args__ = (NO_REUSE,)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    """What nobody can be called, while it is deleted."""
    created_at: Mapped[float]
    index_policy: Mapped[str] = mapped_column(server_default=text("'auto'"))
    recall_target: Mapped[float] = mapped_column(server_default=text("0.95"))
    memory_limit_bytes: Mapped[int | None]
    retention_versions: Mapped[int] = mapped_column(server_default=text("20"))
    retention_days: Mapped[float] = mapped_column(server_default=text("7"))
    retention_thinned: Mapped[bool] = mapped_column(server_default=true())
    keep_originals: Mapped[bool] = mapped_column(server_default=false())
    deleted_at: Mapped[float | None]
    deleted_name: Mapped[str | None]
    """What it was called; NULL once it cannot be recovered any more."""


class AliasRow(Row):
    """Another name for a collection; no collection has it."""

    __tablename__ = "aliases"
    __table_args__ = (Index(None, "collection_id"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    created_at: Mapped[float]


class SpaceRow(Row):
    """A space of a collection; one of them is live."""

    __tablename__ = "spaces"
    __table_args__ = (
        partial("uq_spaces_live", "collection_id", where="live", unique=True),
        NO_REUSE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    encoder: Mapped[str]
    fingerprint: Mapped[str]
    dimension: Mapped[int]
    metric: Mapped[str]
    chunking_mode: Mapped[str]
    chunking_max_tokens: Mapped[int | None]
    chunking_overlap_tokens: Mapped[int]
    live: Mapped[bool]
    created_at: Mapped[float]
    dropped_to: Mapped[int | None]
    """The vector up to which its chunks were looked for, to be removed."""
    dropped_at: Mapped[float | None]
    """When its chunks were removed: no kept version shows it any more."""


class DocumentRow(Row):
    """A document; its row is locked while a revision of it is accepted."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("collection_id", "external_id"),
        # On PostgreSQL in the order of bytes, which is SQLite's and Python's order of strings.
        Index("ix_documents_in_order", "collection_id", "external_id"),
        NO_REUSE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    external_id: Mapped[str]
    external_version: Mapped[int | None]
    """The highest that was accepted."""
    touched_at: Mapped[float]
    """When a revision was last accepted."""
    purged_at: Mapped[float | None]
    """When it was erased; its row stays for the jobs that it was in, under a name of no use."""


class RevisionRow(Row):
    """An immutable state of a document, and its place in the queue."""

    __tablename__ = "revisions"
    __table_args__ = (
        # Holds all that choosing a claim reads, so that a long backlog of long texts is
        # never paged in to choose from.
        partial(
            "ix_revisions_queue",
            "lane",
            "turn",
            "id",
            "collection_id",
            "not_before",
            "suspect_of",
            "characters",
            "accepted_at",
            "state",
            where="state = 'pending'",
        ),
        partial(
            "ix_revisions_waiting",
            "collection_id",
            "state",
            where="state IN ('pending', 'claimed')",
        ),
        partial("ix_revisions_claimed", "claim_id", where="state = 'claimed'"),
        partial(
            "ix_revisions_failed",
            "id",
            "collection_id",
            where="state = 'failed' AND dismissed_at IS NULL",
        ),
        # What may have a text that no version holds, though no version ever held it.
        partial(
            "ix_revisions_forgettable",
            "collection_id",
            "state",
            "id",
            "document_id",
            where="state IN ('superseded', 'cancelled', 'unchanged', 'failed') AND NOT forgotten",
        ),
        partial("ix_revisions_unfiled", "collection_id", "id", where="NOT filterable"),
        Index(None, "document_id", "id"),
        Index(None, "job_id", "state"),
        NO_REUSE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    kind: Mapped[str]
    state: Mapped[str]
    lane: Mapped[int]
    crashes: Mapped[int]
    solo_crashes: Mapped[int]
    """Crashes while it was alone in its claim."""
    turn: Mapped[int] = mapped_column(server_default=text("0"))
    """Its place in its lane: lower first, then by id. See `flows.py`."""
    suspect_of: Mapped[int | None]
    """The last claim that held it when its worker died, which may have been its fault."""
    suspects: Mapped[int | None]
    """How many revisions of `suspect_of` one claim may hold."""
    not_before: Mapped[float]
    delayed_by: Mapped[str | None]
    """Why it was last given back."""
    dismissed_at: Mapped[float | None]
    """When somebody decided that its failure needs no more care."""
    claim_id: Mapped[int | None] = mapped_column(ForeignKey("claims.id"))
    """The claim that holds it or finished it."""
    version: Mapped[int | None]
    """First version that holds it, or the one that already said the same."""
    characters: Mapped[int]
    external_version: Mapped[int | None]
    accepted_at: Mapped[float]
    claimed_at: Mapped[float | None]
    encoded_at: Mapped[float | None]
    published_at: Mapped[float | None]
    content_sha256: Mapped[str]
    text_sha256: Mapped[str]
    error: Mapped[str | None]
    warnings: Mapped[str | None]
    """JSON list; NULL for none."""
    filterable: Mapped[bool] = mapped_column(server_default=false())
    """Its metadata are filed in `fields`; false for what an earlier Lamina wrote."""
    # The long ones last: SQLite reads a row from its start.
    title: Mapped[str]
    metadata_json: Mapped[str]
    text: Mapped[str]
    forgotten: Mapped[bool] = mapped_column(server_default=false())
    """Its title, text and metadata are erased; only its fate is remembered."""


class ChunkRow(Row):
    """A passage that has a vector: `text[begins:ends]` of its revision."""

    __tablename__ = "chunks"
    __table_args__ = (Index(None, "revision_id", "ordinal"),)

    vector_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"))
    ordinal: Mapped[int]
    begins: Mapped[int]
    ends: Mapped[int]
    tokens: Mapped[int]
