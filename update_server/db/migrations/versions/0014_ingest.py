"""What the ingest needs of a camera's row to judge each message by it alone, and an index by which telemetry is pruned.

Revision: 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NUMBERS = ("state_at", "telemetry_seq")


def upgrade() -> None:
    """Apply."""
    for name in NUMBERS:
        op.add_column("device", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("device", sa.Column("day", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("device", sa.Column("day_counts", sa.JSON(), nullable=False, server_default="{}"))
    op.create_index("ix_message_received_at", "message", ["received_at"], postgresql_using="brin")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_message_received_at", "message")
    for name in ("day_counts", "day", *NUMBERS):
        op.drop_column("device", name)
