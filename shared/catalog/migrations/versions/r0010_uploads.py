"""Files: uploads to be parsed, what texts were read from, originals that are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
oldest_program = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ZERO = sa.text("0")


def upgrade() -> None:
    op.add_column(
        "collections",
        sa.Column("keep_originals", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    _make_uploads()
    op.create_table(
        "origins",
        sa.Column("document_id", BIG, nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("file_kind", sa.Text(), nullable=False),
        sa.Column("place_kind", sa.Text(), nullable=True),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_origins_document_id"),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name="fk_origins_upload_id"),
        sa.PrimaryKeyConstraint("document_id", "text_sha256", name="pk_origins"),
    )
    _index("ix_origins_upload_id", "origins", ["upload_id"], where="upload_id IS NOT NULL")


def _make_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("draft", sa.Text(), nullable=True),
        sa.Column("ordinal", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bytes_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("has_bytes", sa.Boolean(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("in_archive", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("lane", BIG, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("epoch", BIG, server_default=ZERO, nullable=False),
        sa.Column("attempts", BIG, server_default=ZERO, nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("not_before", sa.Double(), server_default=ZERO, nullable=False),
        sa.Column("accepted_at", sa.Double(), nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        sa.Column("documents", BIG, server_default=ZERO, nullable=False),
        sa.Column("skipped", BIG, server_default=ZERO, nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("issues", sa.Text(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_uploads_collection_id"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_uploads_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    _index(
        "ix_uploads_queue",
        "uploads",
        ["lane", "accepted_at", "ordinal"],
        where="state IN ('pending', 'claimed')",
    )
    _index("ix_uploads_stored", "uploads", ["collection_id", "state"], where="has_bytes")
    op.create_index("ix_uploads_job_id_ordinal", "uploads", ["job_id", "ordinal"])
    _index("ix_uploads_drafts", "uploads", ["draft"], where="draft IS NOT NULL")


def _index(name: str, table: str, columns: list[str], *, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    op.drop_table("origins")
    op.drop_table("uploads")
    op.drop_column("collections", "keep_originals")
