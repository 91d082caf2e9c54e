"""Metadata fields of revisions, to filter searches by.

Only adds, and with defaults, so that processes of the earlier code run on while this happens.
What they write meanwhile is not `filterable` yet; see `shared/catalog/content/fields.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
oldest_program = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BY_CODE_POINT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "revisions",
        sa.Column("filterable", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    _partial("ix_revisions_unfiled", "revisions", ["collection_id", "id"], "NOT filterable")
    op.create_table(
        "fields",
        sa.Column("revision_id", BIG, nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("path", BY_CODE_POINT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("text", BY_CODE_POINT, nullable=True),
        sa.Column("whole", BY_CODE_POINT, nullable=True),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_fields_revision_id"),
        sa.PrimaryKeyConstraint("revision_id", "place", name="pk_fields"),
    )
    for name, where in (
        ("text", "text IS NOT NULL"),
        ("number", "number IS NOT NULL"),
        ("kind", "kind NOT IN ('text', 'number')"),
    ):
        columns = ["collection_id", "path", name, "revision_id"]
        _partial(f"ix_fields_{name}", "fields", columns, where)


def downgrade() -> None:
    op.drop_table("fields")
    op.drop_index("ix_revisions_unfiled", table_name="revisions")
    op.drop_column("revisions", "filterable")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
