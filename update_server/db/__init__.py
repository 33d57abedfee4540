"""State: models, migrations and sessions. SQLite by default; nothing here is specific to it but one event handler."""
