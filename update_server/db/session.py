"""Engines and sessions: `Database.read()` and `Database.write()`, each one transaction.

A write transaction takes the database's write lock at once (SQLite: BEGIN IMMEDIATE), so that two processes (the server
and a command on the console) cannot both read, decide, and then collide.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from update_server.errors import Misconfigured

BUSY_TIMEOUT_S = 30  # longer than any write transaction of ours; a command waits for the server rather than failing
POOL = 25  # twice this is more than the web server's 40 worker threads
SCHEMA = "0013"
"""The newest revision in `migrations`, written here so that only `migrate` needs Alembic, which is slow to import."""
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """The one place that opens sessions. Owns an engine; `close` releases its connections."""

    def __init__(self, url: str) -> None:
        is_sqlite = url.startswith("sqlite")
        self.engine = create_engine(
            url, pool_size=POOL, max_overflow=POOL, connect_args={"timeout": BUSY_TIMEOUT_S} if is_sqlite else {},
            hide_parameters=True,  # what cameras sealed stands in them, and errors go to the log
        )  # fmt: skip
        if is_sqlite:
            _prepare_sqlite(self.engine)
        self._writing = self.engine.execution_options(camward_write=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read transaction; nothing is committed."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction: committed (durably) when the block ends, rolled back when it raises."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            session.connection()  # takes the write lock before anything is read
            yield session

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are ours, not the driver's
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute("PRAGMA " + pragma)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("camward_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def migrate(database: Database) -> None:
    """Bring the schema to the newest revision; one transaction on databases that can."""
    from alembic import command
    from alembic.config import Config

    with database.engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_schema(database: Database) -> None:
    """Make sure the database is reachable and of this program's schema revision.

    Raises:
        Misconfigured: it is not.
    """
    try:
        with database.engine.connect() as connection:
            known = inspect(connection).has_table("alembic_version")
            have = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    except DatabaseError as error:
        raise Misconfigured(
            f"The database cannot be opened: {error.orig}.", "Check 'database' in server.toml."
        ) from None
    if have != SCHEMA:
        raise Misconfigured(
            f"The database has schema {have}, this program needs {SCHEMA}.",
            "Run 'camward-server migrate' after a backup.",
        )
