"""Fair turns, suspects, cancelled jobs, dead letters, what processes say of themselves.

Only adds, and with defaults, so that processes of the earlier code run on while this happens.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
oldest_program = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ZERO = sa.text("0")
QUEUE = "ix_revisions_queue"
BEFORE = ["lane", "id"]
IN_TURN = ["lane", "turn", "id"]


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "flows",
        sa.Column("lane", BIG, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("finish", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_flows_collection_id"
        ),
        sa.PrimaryKeyConstraint("lane", "collection_id", "source", "producer", name="pk_flows"),
    )
    op.create_index("ix_claims_lane_turn", "claims", ["lane", "turn"])
    _queue(IN_TURN, "suspect_of")
    failed = "state = 'failed' AND dismissed_at IS NULL"
    _partial("ix_revisions_failed", "revisions", ["id", "collection_id"], failed)


def downgrade() -> None:
    op.drop_index("ix_revisions_failed", table_name="revisions")
    _queue(BEFORE, "crashes")
    op.drop_index("ix_claims_lane_turn", table_name="claims")
    op.drop_table("flows")
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)


def _columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "revisions": (
            sa.Column("turn", BIG, nullable=False, server_default=ZERO),
            sa.Column("suspect_of", BIG, nullable=True),
            sa.Column("suspects", BIG, nullable=True),
            sa.Column("delayed_by", sa.Text(), nullable=True),
            sa.Column("dismissed_at", sa.Double(), nullable=True),
        ),
        "jobs": (
            sa.Column("producer", sa.Text(), nullable=False, server_default=sa.text("''")),
            sa.Column("extra", sa.Text(), nullable=True),
            sa.Column("cancelled_at", sa.Double(), nullable=True),
        ),
        "claims": (
            sa.Column("characters", BIG, nullable=True),
            sa.Column("turn", BIG, nullable=True),
            sa.Column("within", BIG, nullable=True),
        ),
        "rejections": (
            sa.Column("size", BIG, nullable=True),
            sa.Column("form", sa.Text(), nullable=False, server_default=sa.text("'message'")),
            sa.Column("replayed_at", sa.Double(), nullable=True),
            sa.Column("job_id", sa.Text(), nullable=True),
        ),
        "processes": (sa.Column("detail", sa.Text(), nullable=True),),
    }


def _queue(order: list[str], suspicion: str) -> None:
    op.drop_index(QUEUE, table_name="revisions")
    covered = ["collection_id", "not_before", suspicion, "characters", "accepted_at", "state"]
    _partial(QUEUE, "revisions", [*order, *covered], "state = 'pending'")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
