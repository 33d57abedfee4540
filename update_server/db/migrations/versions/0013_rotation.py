"""Cameras whose identity has another key than the first one.

Revision: 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for name in ("identity_key", "next_key"):
        op.add_column("device", sa.Column(name, sa.String(64), nullable=True))


def downgrade() -> None:
    """Take back."""
    for name in ("identity_key", "next_key"):
        op.drop_column("device", name)
