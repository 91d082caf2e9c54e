"""Maps of versions."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
oldest_program = "0001"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "maps",
        sa.Column("collection_id", _BIG, nullable=False),
        sa.Column("version", _BIG, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sample", _BIG, nullable=False),
        sa.Column("seed", _BIG, nullable=False),
        sa.Column("requested_at", sa.Double(), nullable=False),
        sa.Column("tries", _BIG, nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("collection_id", "version", name="pk_maps"),
        sa.ForeignKeyConstraint(
            ["collection_id", "version"],
            ["versions.collection_id", "versions.version"],
            name="fk_maps_collection_id_version",
        ),
    )


def downgrade() -> None:
    op.drop_table("maps")
