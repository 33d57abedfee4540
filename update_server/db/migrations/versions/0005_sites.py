"""Cameras that can reach each other are of one site.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("site", sa.String(64), server_default="", nullable=False))
        batch_op.create_index("ix_device_site", ["site"])


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_index("ix_device_site")
        batch_op.drop_column("site")
