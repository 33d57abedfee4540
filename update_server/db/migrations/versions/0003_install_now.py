"""Cameras can be told to install now; those that wait for their window say until when.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TOLD = ("device", "rollout")
WAITS = (("rollout_device", "waits_until_at"), ("update_event", "until_at"))


def upgrade() -> None:
    """Apply."""
    for table in TOLD:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("install_now", sa.Boolean(), server_default=sa.false(), nullable=False))
    for table, column in WAITS:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column(column, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take back."""
    for table, column in WAITS:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column(column)
    for table in TOLD:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("install_now")
