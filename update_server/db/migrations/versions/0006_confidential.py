"""Confidential releases, and the cameras' unsealing keys.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("release", sa.Column("confidential", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("device", sa.Column("unsealing_key", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("device", "unsealing_key")
    op.drop_column("release", "confidential")
