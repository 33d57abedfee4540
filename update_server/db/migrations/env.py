"""Alembic's entry point: runs the migrations on the connection it is handed (update_server.db.session)."""

from alembic import context

from update_server.db.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
