"""State: models, migrations and sessions. SQLite by default, or PostgreSQL; `session` knows which."""
