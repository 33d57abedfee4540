"""Cameras that are denied.

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
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
