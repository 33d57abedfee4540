"""Factory certificates.

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "factory_ca",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("anybody", sa.Boolean(), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_factory_ca")),
        sa.UniqueConstraint("pem", name=op.f("uq_factory_ca_pem")),
    )
    op.create_table(
        "factory_device",
        sa.Column("ca", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(64), nullable=False),
        sa.Column("device_id", sa.String(26), nullable=True),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["ca"], ["factory_ca.name"], name=op.f("fk_factory_device_ca"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ca", "serial", name=op.f("pk_factory_device")),
    )
    op.create_index(op.f("ix_factory_device_enrolled_at"), "factory_device", ["enrolled_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("factory_device")
    op.drop_table("factory_ca")
