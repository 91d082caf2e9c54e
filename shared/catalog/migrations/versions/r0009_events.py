"""Aliases, deleted collections, events, webhooks and their deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
oldest_program = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Of what is finished already, nobody needs to be told.
FINISH_OLD_JOBS = """
    UPDATE jobs SET finished_at = accepted_at WHERE NOT EXISTS (
        SELECT 1 FROM revisions
        WHERE revisions.job_id = jobs.id AND revisions.state IN ('pending', 'claimed')
    ) AND NOT EXISTS (
        SELECT 1 FROM deletions WHERE deletions.job_id = jobs.id AND done_at IS NULL
    )
"""

MAKE_COUNTER = """
    INSERT INTO counters (name, value)
    SELECT 'event', 0 WHERE NOT EXISTS (SELECT 1 FROM counters WHERE name = 'event')
"""


def upgrade() -> None:
    op.add_column("collections", sa.Column("deleted_at", sa.Double(), nullable=True))
    op.add_column("collections", sa.Column("deleted_name", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("finished_at", sa.Double(), nullable=True))
    op.execute(FINISH_OLD_JOBS)
    _index("ix_jobs_unfinished", "jobs", ["accepted_at", "id"], where="finished_at IS NULL")
    op.execute(MAKE_COUNTER)
    _make_aliases()
    _make_events()
    _make_webhooks()


def _make_aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        _of_collection("aliases"),
        sa.PrimaryKeyConstraint("name", name="pk_aliases"),
    )
    op.create_index("ix_aliases_collection_id", "aliases", ["collection_id"])


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        _of_collection("events"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_collection_id_id", "events", ["collection_id", "id"])
    op.create_index("ix_events_job_id_id", "events", ["job_id", "id"])


def _make_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("collection_id", BIG, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("disabled_at", sa.Double(), nullable=True),
        sa.Column("disabled_for", sa.Text(), nullable=True),
        _of_collection("webhooks"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_collection_id", "webhooks", ["collection_id"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", BIG, nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("status", BIG, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name="fk_deliveries_webhook_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_in_order", "deliveries", ["webhook_id", "created_at", "id"])
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])
    _index("ix_deliveries_due", "deliveries", ["due_at"], where="state = 'pending'")


def _of_collection(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["collection_id"], ["collections.id"], name=f"fk_{table}_collection_id"
    )


def _index(name: str, table: str, columns: list[str], *, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    for table in ("deliveries", "webhooks", "events", "aliases"):
        op.drop_table(table)
    op.execute("DELETE FROM counters WHERE name = 'event'")
    op.drop_index("ix_jobs_unfinished", "jobs")
    op.drop_column("jobs", "finished_at")
    op.drop_column("collections", "deleted_name")
    op.drop_column("collections", "deleted_at")
