"""The initial schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "claims",
    "collections",
    "counters",
    "processes",
    "rejections",
    "attempts",
    "documents",
    "heads",
    "jobs",
    "passes",
    "spaces",
    "keys",
    "revisions",
    "segments",
    "versions",
    "chunks",
    "liveness",
)


def upgrade() -> None:
    _claims()
    _collections()
    _counters()
    _processes()
    _rejections()
    _attempts()
    _documents()
    _heads()
    _jobs()
    _passes()
    _spaces()
    _keys()
    _revisions()
    _segments()
    _versions()
    _chunks()
    _liveness()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("id", BIG, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("lane", BIG, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("documents", BIG, nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("chunks", BIG, nullable=True),
        sa.Column("tokens", BIG, nullable=True),
        sa.Column("padded_tokens", BIG, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_claims_active",
        "claims",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )


def _collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
        sqlite_autoincrement=True,
    )


def _counters() -> None:
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.bulk_insert(counters, [{"name": "head", "value": 0}, {"name": "vector", "value": 0}])


def _processes() -> None:
    op.create_table(
        "processes",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("beat_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("process", name="pk_processes"),
    )


def _rejections() -> None:
    op.create_table(
        "rejections",
        sa.Column("id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rejections"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rejections_key", "rejections", ["key"], unique=False)


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("claim_id", BIG, nullable=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first_vector_id", BIG, nullable=False),
        sa.Column("vectors", BIG, nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name="fk_attempts_claim_id"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_attempts_collection_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index(
        "ix_attempts_active",
        "attempts",
        ["claim_id"],
        unique=False,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("external_version", BIG, nullable=True),
        sa.Column("touched_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_documents_collection_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint(
            "collection_id", "external_id", name="uq_documents_collection_id_external_id"
        ),
        sqlite_autoincrement=True,
    )


def _heads() -> None:
    op.create_table(
        "heads",
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("manifest_file", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_heads_collection_id"
        ),
        sa.PrimaryKeyConstraint("collection_id", name="pk_heads"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_jobs_collection_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_accepted_at", "jobs", ["accepted_at"], unique=False)
    op.create_index(
        "ix_jobs_collection_id_accepted_at", "jobs", ["collection_id", "accepted_at"], unique=False
    )


def _passes() -> None:
    op.create_table(
        "passes",
        sa.Column("claim_id", BIG, nullable=False),
        sa.Column("ordinal", BIG, nullable=False),
        sa.Column("rows", BIG, nullable=False),
        sa.Column("tokens", BIG, nullable=False),
        sa.Column("padded_tokens", BIG, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name="fk_passes_claim_id"),
        sa.PrimaryKeyConstraint("claim_id", "ordinal", name="pk_passes"),
    )


def _spaces() -> None:
    op.create_table(
        "spaces",
        sa.Column("id", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("dimension", BIG, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("chunking_mode", sa.Text(), nullable=False),
        sa.Column("chunking_max_tokens", BIG, nullable=True),
        sa.Column("chunking_overlap_tokens", BIG, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_spaces_collection_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_spaces"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_spaces_live",
        "spaces",
        ["collection_id"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_keys_collection_id"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_keys_job_id", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint(
            "collection_id", "source", "key", name="uq_keys_collection_id_source_key"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_keys_key", "keys", ["key"], unique=False)


def _revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("id", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("document_id", BIG, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lane", BIG, nullable=False),
        sa.Column("crashes", BIG, nullable=False),
        sa.Column("solo_crashes", BIG, nullable=False),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("claim_id", BIG, nullable=True),
        sa.Column("version", BIG, nullable=True),
        sa.Column("characters", BIG, nullable=False),
        sa.Column("external_version", BIG, nullable=True),
        sa.Column("accepted_at", sa.Double(), nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=True),
        sa.Column("encoded_at", sa.Double(), nullable=True),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("metadata_json", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name="fk_revisions_claim_id"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_revisions_collection_id"
        ),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_revisions_document_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_revisions_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_revisions_claimed",
        "revisions",
        ["claim_id"],
        unique=False,
        sqlite_where=sa.text("state = 'claimed'"),
        postgresql_where=sa.text("state = 'claimed'"),
    )
    op.create_index("ix_revisions_document_id_id", "revisions", ["document_id", "id"], unique=False)
    op.create_index("ix_revisions_job_id_state", "revisions", ["job_id", "state"], unique=False)
    op.create_index(
        "ix_revisions_queue",
        "revisions",
        [
            "lane",
            "id",
            "collection_id",
            "not_before",
            "crashes",
            "characters",
            "accepted_at",
            "state",
        ],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_revisions_waiting",
        "revisions",
        ["collection_id", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'claimed')"),
        postgresql_where=sa.text("state IN ('pending', 'claimed')"),
    )


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("space_id", BIG, nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("rows", BIG, nullable=False),
        sa.Column("min_id", BIG, nullable=False),
        sa.Column("max_id", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("first_version", BIG, nullable=False),
        sa.Column("last_version", BIG, nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_segments_attempt_id"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_segments_collection_id"
        ),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name="fk_segments_space_id"),
        sa.PrimaryKeyConstraint("id", name="pk_segments"),
    )
    op.create_index(
        "ix_segments_collection_id_last_version",
        "segments",
        ["collection_id", "last_version"],
        unique=False,
    )


def _versions() -> None:
    op.create_table(
        "versions",
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent", BIG, nullable=True),
        sa.Column("manifest_file", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=True),
        sa.Column("documents", BIG, nullable=False),
        sa.Column("vectors", BIG, nullable=False),
        sa.Column("segments", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.Column("first_loaded_at", sa.Double(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_versions_attempt_id"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_versions_collection_id"
        ),
        sa.PrimaryKeyConstraint("collection_id", "version", name="pk_versions"),
        sa.UniqueConstraint("attempt_id", name="uq_versions_attempt_id"),
    )


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("vector_id", BIG, autoincrement=False, nullable=False),
        sa.Column("revision_id", BIG, nullable=False),
        sa.Column("space_id", BIG, nullable=False),
        sa.Column("ordinal", BIG, nullable=False),
        sa.Column("begins", BIG, nullable=False),
        sa.Column("ends", BIG, nullable=False),
        sa.Column("tokens", BIG, nullable=False),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_chunks_revision_id"),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name="fk_chunks_space_id"),
        sa.PrimaryKeyConstraint("vector_id", name="pk_chunks"),
    )
    op.create_index(
        "ix_chunks_revision_id_ordinal", "chunks", ["revision_id", "ordinal"], unique=False
    )


def _liveness() -> None:
    op.create_table(
        "liveness",
        sa.Column("revision_id", BIG, nullable=False),
        sa.Column("document_id", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_version", BIG, nullable=False),
        sa.Column("to_version", BIG, nullable=True),
        sa.Column("settled_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_liveness_collection_id"
        ),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_liveness_document_id"),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_liveness_revision_id"),
        sa.PrimaryKeyConstraint("revision_id", "from_version", name="pk_liveness"),
    )
    op.create_index(
        "ix_liveness_collection_id_from_version",
        "liveness",
        ["collection_id", "from_version"],
        unique=False,
    )
    op.create_index(
        "uq_liveness_open",
        "liveness",
        ["document_id"],
        unique=True,
        sqlite_where=sa.text("to_version IS NULL"),
        postgresql_where=sa.text("to_version IS NULL"),
    )
