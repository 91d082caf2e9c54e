"""Rules of collections, tags and leases of versions, chores, damages, recall samples.

Only adds, and with defaults, so that processes of the earlier code run on while this happens.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = ("tags", "leases", "chores", "damages", "recall_samples")
INDEXES = (
    ("ix_documents_in_order", "documents"),
    ("ix_revisions_forgettable", "revisions"),
    ("ix_versions_kept", "versions"),
    ("ix_versions_buried", "versions"),
    ("ix_liveness_collection_id_to_version", "liveness"),
    ("ix_liveness_document_id", "liveness"),
)


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    _indexes()
    _tags()
    _leases()
    _chores()
    _damages()
    _recall_samples()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    for index, table in INDEXES:
        op.drop_index(index, table_name=table)
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)


def _columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "collections": (
            sa.Column("index_policy", sa.Text(), nullable=False, server_default=sa.text("'auto'")),
            sa.Column("recall_target", sa.Double(), nullable=False, server_default=sa.text("0.95")),
            sa.Column("memory_limit_bytes", BIG, nullable=True),
            sa.Column("retention_versions", BIG, nullable=False, server_default=sa.text("20")),
            sa.Column("retention_days", sa.Double(), nullable=False, server_default=sa.text("7")),
            sa.Column("retention_thinned", sa.Boolean(), nullable=False, server_default=sa.true()),
        ),
        "documents": (sa.Column("purged_at", sa.Double(), nullable=True),),
        "revisions": (
            sa.Column("forgotten", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
        "versions": (
            sa.Column("expired_at", sa.Double(), nullable=True),
            sa.Column("restored", BIG, nullable=True),
        ),
    }


def _indexes() -> None:
    # Byte order, whatever the database's own order of strings is.
    by_bytes = sa.text('external_id COLLATE "C"')
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_index(
        "ix_documents_in_order",
        "documents",
        ["collection_id", by_bytes if postgresql else "external_id"],
    )
    _partial(
        "ix_revisions_forgettable",
        "revisions",
        ["collection_id", "state", "id", "document_id"],
        "state IN ('superseded', 'cancelled', 'unchanged', 'failed') AND NOT forgotten",
    )
    kept = "state IN ('live', 'expired')"
    _partial("ix_versions_kept", "versions", ["collection_id", "version"], kept)
    _partial("ix_versions_buried", "versions", ["collection_id", "version"], "state = 'buried'")
    op.create_index(
        "ix_liveness_collection_id_to_version", "liveness", ["collection_id", "to_version"]
    )
    op.create_index("ix_liveness_document_id", "liveness", ["document_id"])


def _partial(
    name: str, table: str, columns: list[str], where: str, *, unique: bool = False
) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def _of_version(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["collection_id", "version"],
        ["versions.collection_id", "versions.version"],
        name=f"fk_{table}_collection_id_version",
    )


def _of_collection(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["collection_id"], ["collections.id"], name=f"fk_{table}_collection_id"
    )


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        _of_version("tags"),
        sa.PrimaryKeyConstraint("collection_id", "name", name="pk_tags"),
    )
    op.create_index("ix_tags_collection_id_version", "tags", ["collection_id", "version"])


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        _of_version("leases"),
        sa.PrimaryKeyConstraint("collection_id", "version", "holder", name="pk_leases"),
    )


def _chores() -> None:
    op.create_table(
        "chores",
        sa.Column("id", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("done", BIG, nullable=False),
        sa.Column("total", BIG, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        _of_collection("chores"),
        sa.PrimaryKeyConstraint("id", name="pk_chores"),
        sqlite_autoincrement=True,
    )
    _partial(
        "uq_chores_active", "chores", ["collection_id", "kind"], "state = 'active'", unique=True
    )
    op.create_index("ix_chores_collection_id_kind_id", "chores", ["collection_id", "kind", "id"])


def _damages() -> None:
    op.create_table(
        "damages",
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", sa.Double(), nullable=False),
        _of_collection("damages"),
        sa.PrimaryKeyConstraint("collection_id", "key", name="pk_damages"),
    )


def _recall_samples() -> None:
    op.create_table(
        "recall_samples",
        sa.Column("id", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("k", BIG, nullable=False),
        sa.Column("recall", sa.Double(), nullable=False),
        sa.Column("sampled_at", sa.Double(), nullable=False),
        _of_collection("recall_samples"),
        sa.PrimaryKeyConstraint("id", name="pk_recall_samples"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_recall_samples_collection_id_id", "recall_samples", ["collection_id", "id"])
