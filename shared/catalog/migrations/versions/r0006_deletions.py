"""Deletes by filter, which are carried out in steps."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
oldest_program = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("last_place", BIG, nullable=False),
        sa.Column("deleted", BIG, nullable=False),
        sa.Column("skipped", BIG, nullable=False),
        sa.Column("done_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_deletions_job_id_jobs"),
        sa.PrimaryKeyConstraint("job_id", name="pk_deletions"),
    )
    op.create_index(
        "ix_deletions_under_way",
        "deletions",
        ["job_id"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("deletions")
