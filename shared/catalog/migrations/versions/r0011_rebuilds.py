"""Rebuilds of collections in other spaces, and the space of each version.

Programs of before go on working until the first rebuild begins: that raises `oldest_program`,
since they would take the chunks of both spaces for one document's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
oldest_program = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("spaces", sa.Column("dropped_to", BIG, nullable=True))
    op.add_column("spaces", sa.Column("dropped_at", sa.Double(), nullable=True))
    # No foreign key: SQLite could add one only by writing the whole table anew.
    op.add_column("versions", sa.Column("space_id", BIG, nullable=True))
    op.create_table(
        "rebuilds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("space_id", BIG, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("forced", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("held_until", sa.Double(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("version", BIG, nullable=True),
        sa.Column("documents", BIG, nullable=True),
        sa.Column("done", BIG, nullable=True),
        sa.Column("failed", BIG, nullable=True),
        _key("rebuilds", "collection_id", "collections"),
        _key("rebuilds", "space_id", "spaces"),
        sa.PrimaryKeyConstraint("id", name="pk_rebuilds"),
    )
    _index("uq_rebuilds_running", "rebuilds", "collection_id", where="state = 'running'")
    _make_renditions()
    op.create_table(
        "parts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("space_id", BIG, nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", BIG, nullable=False),
        sa.Column("min_id", BIG, nullable=False),
        sa.Column("max_id", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        _key("parts", "space_id", "spaces"),
        _key("parts", "attempt_id", "attempts"),
        sa.PrimaryKeyConstraint("id", name="pk_parts"),
    )


def _make_renditions() -> None:
    op.create_table(
        "renditions",
        sa.Column("revision_id", BIG, nullable=False),
        sa.Column("space_id", BIG, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("claim_id", BIG, nullable=True),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("solo_crashes", BIG, nullable=False),
        sa.Column("suspect_of", BIG, nullable=True),
        sa.Column("suspects", BIG, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=True),
        _key("renditions", "space_id", "spaces"),
        _key("renditions", "revision_id", "revisions"),
        sa.PrimaryKeyConstraint("revision_id", "space_id", name="pk_renditions"),
    )
    of_space = ("space_id", "revision_id")
    _index("ix_renditions_queue", "renditions", *of_space, "suspect_of", where="state = 'pending'")
    _index("ix_renditions_claimed", "renditions", "claim_id", where="state = 'claimed'")
    _index("ix_renditions_failed", "renditions", *of_space, where="state = 'failed'")
    _index("ix_renditions_warned", "renditions", *of_space, where="warnings IS NOT NULL")


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}")


def _index(name: str, table: str, *columns: str, where: str) -> None:
    op.create_index(
        name,
        table,
        list(columns),
        unique=name.startswith("uq_"),
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def downgrade() -> None:
    for table in ("parts", "renditions", "rebuilds"):
        op.drop_table(table)
    op.drop_column("versions", "space_id")
    op.drop_column("spaces", "dropped_at")
    op.drop_column("spaces", "dropped_to")
