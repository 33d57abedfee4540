"""Orders to change passwords, and what cameras have said of them.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "required_change",
        sa.Column("device_id", sa.String(26), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("remind_at", sa.BigInteger(), nullable=False),
        sa.Column("restrict_at", sa.BigInteger(), nullable=False),
        sa.Column("claim_only_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("said", sa.String(16), server_default="", nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=True),
        sa.Column("behind", sa.BigInteger(), nullable=True),
        sa.Column("code", sa.String(32), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_required_change_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_required_change")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("required_change")
