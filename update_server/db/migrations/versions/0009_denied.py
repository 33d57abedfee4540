"""Cameras that are denied.

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("device", sa.Column("denied_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_certificate_expires_at_device_id", "certificate", ["expires_at", "device_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_certificate_expires_at_device_id", "certificate")
    op.drop_column("device", "denied_at")
