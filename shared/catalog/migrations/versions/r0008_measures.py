"""Sums of what processes counted."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None
oldest_program = "0001"


def upgrade() -> None:
    op.create_table(
        "measures",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name="pk_measures"),
    )


def downgrade() -> None:
    op.drop_table("measures")
