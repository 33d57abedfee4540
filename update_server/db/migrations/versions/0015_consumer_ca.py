"""By which CA a consumer's certificate is.

Revision: 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("consumer", sa.Column("ca_sha256", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back."""
    op.drop_column("consumer", "ca_sha256")
