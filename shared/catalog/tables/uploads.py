"""Files to be parsed, and what texts were read from."""

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import Row, partial


class UploadRow(Row):
    """A file, from its stored bytes to the documents it became."""

    __tablename__ = "uploads"
    __table_args__ = (
        partial(
            "ix_uploads_queue",
            "lane",
            "accepted_at",
            "ordinal",
            where="state IN ('pending', 'claimed')",
        ),
        partial("ix_uploads_stored", "collection_id", "state", where="has_bytes"),
        Index(None, "job_id", "ordinal"),
        partial("ix_uploads_drafts", "draft", where="draft IS NOT NULL"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    """NULL for a draft."""
    draft: Mapped[str | None]
    """Under what name its owner finds it again while it is a draft."""
    ordinal: Mapped[int]
    """Its place among the files of its job."""
    name: Mapped[str]
    bytes_key: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    has_bytes: Mapped[bool]
    """Its bytes are stored, as far as the catalog knows."""
    columns: Mapped[str]
    """JSON object."""
    in_archive: Mapped[bool] = mapped_column(server_default=false())
    lane: Mapped[int]
    state: Mapped[str]
    epoch: Mapped[int] = mapped_column(server_default=text("0"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    worker: Mapped[str | None]
    lease_until: Mapped[float | None]
    not_before: Mapped[float] = mapped_column(server_default=text("0"))
    accepted_at: Mapped[float]
    claimed_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    kind: Mapped[str | None]
    encoding: Mapped[str | None]
    documents: Mapped[int] = mapped_column(server_default=text("0"))
    """Stored so far."""
    skipped: Mapped[int] = mapped_column(server_default=text("0"))
    fault: Mapped[str | None]
    error: Mapped[str | None]
    issues: Mapped[str | None]
    """JSON list of (where, detail); NULL for none."""
    warnings: Mapped[str | None]
    """JSON list; NULL for none."""


class OriginRow(Row):
    """The file that a text of a document was read from. It is let go with the text."""

    __tablename__ = "origins"
    __table_args__ = (
        PrimaryKeyConstraint("document_id", "text_sha256"),
        partial("ix_origins_upload_id", "upload_id", where="upload_id IS NOT NULL"),
    )

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    text_sha256: Mapped[str]
    file: Mapped[str]
    file_kind: Mapped[str]
    place_kind: Mapped[str | None]
    marks: Mapped[str]
    """JSON list of (first character, name)."""
    upload_id: Mapped[str | None] = mapped_column(ForeignKey("uploads.id"))
    """Whose bytes are kept for it; NULL where they are not."""
