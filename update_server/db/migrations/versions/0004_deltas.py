"""Segment artifacts: which are wanted, and what was made.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "delta",
        sa.Column("from_root", sa.String(64), nullable=False),
        sa.Column("to_root", sa.String(64), nullable=False),
        sa.Column("recipe", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("from_version", sa.String(64), nullable=False),
        sa.Column("to_version", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("made", sa.JSON(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("from_root", "to_root", "recipe", name="pk_delta"),
    )
    op.create_index("ix_delta_state", "delta", ["state"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_delta_state", table_name="delta")
    op.drop_table("delta")
