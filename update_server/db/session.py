"""Engines and sessions: `Database.read()` and `Database.write()`, each one transaction.

A write transaction takes the database's write lock at once (SQLite: BEGIN IMMEDIATE; PostgreSQL: an advisory lock), so
that two processes (the server and a command on the console) cannot both read, decide, and then collide.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from update_server.errors import Misconfigured

BUSY_TIMEOUT_S = 30  # longer than any write transaction of ours; a command waits for the server rather than failing
CONNECT_S = 10
SQLITE: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S}
POSTGRESQL: dict[str, Any] = {
    "connect_timeout": CONNECT_S,
    "options": f"-c lock_timeout={BUSY_TIMEOUT_S}s",
    "sslmode": "verify-full",  # over a network; a Unix socket has nobody in between
}
POOL = 25  # twice this is more than the web server's 40 worker threads
WRITE_LOCK = 0x63616D77  # the number of our advisory lock in PostgreSQL
SCHEMA = "0015"
"""The newest revision in `migrations`, written here so that only `migrate` needs Alembic, which is slow to import."""
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """The one place that opens sessions. Owns an engine; `close` releases its connections."""

    def __init__(self, url: str) -> None:
        found = make_url(url)
        postgresql = found.get_backend_name() == "postgresql"
        if postgresql:
            found = found.set(drivername="postgresql+psycopg")
        self.engine = create_engine(
            found, pool_size=POOL, max_overflow=POOL, connect_args=POSTGRESQL if postgresql else SQLITE,
            pool_pre_ping=postgresql,  # its server may have been started again
            hide_parameters=True,  # what cameras sealed stands in them, and errors go to the log
        )  # fmt: skip
        (_prepare_postgresql if postgresql else _prepare_sqlite)(self.engine)
        self._writing = self.engine.execution_options(camward_write="exclusive")
        self._writing_beside = self.engine.execution_options(camward_write="shared")
        # What is read in one transaction goes together, as it does in SQLite anyway.
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = self.engine.execution_options(**snapshot) if postgresql else self.engine

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read transaction; nothing is committed."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction: committed (durably) when the block ends, rolled back when it raises."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            session.connection()  # takes the write lock before anything is read
            yield session

    @contextmanager
    def write_beside(self) -> Iterator[Session]:
        """A write transaction beside others of its kind, and never beside one of `write`.

        Whoever works in it locks each row that it is going to change before reading it (SELECT ... FOR UPDATE). Where
        the database has no locks for rows (SQLite), it is the same as `write`.
        """
        with Session(self._writing_beside, expire_on_commit=False) as session, session.begin():
            session.connection()
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
        writing = connection.get_execution_options().get("camward_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare_postgresql(engine: Engine) -> None:
    from psycopg.types.string import StrDumper  # 80 ms, which a server with SQLite need not wait for

    class Dumper(StrDumper):
        """Text without NUL, of which PostgreSQL can keep none: cameras and people send whatever they like."""

        def dump(self, obj: str) -> Any:
            """What goes to the database."""
            return super().dump(obj.replace("\0", "\ufffd"))

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.adapters.register_dumper(str, Dumper)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("camward_write")
        if writing:
            function = "pg_advisory_xact_lock" + ("_shared" if writing == "shared" else "")
            connection.exec_driver_sql(f"SELECT {function}({WRITE_LOCK})")


def migrate(database: Database) -> None:
    """Bring the schema to the newest revision; one transaction on databases that can."""
    with database.engine.execution_options(camward_write="exclusive").begin() as connection:
        migrate_in(connection)


def migrate_in(connection: Connection) -> None:
    """As `migrate`, in a transaction of the caller's."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_empty(database: Database) -> bool:
    """Whether there is nothing in the database yet.

    Raises:
        OperationalError: it cannot be reached.
    """
    return not inspect(database.engine).get_table_names()


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
            f"The database cannot be opened: {' '.join(str(error.orig).split())}.", "Check 'database' in server.toml."
        ) from None
    if have != SCHEMA:
        raise Misconfigured(
            f"The database has schema {have}, this program needs {SCHEMA}.",
            "Run 'camward-server migrate' after a backup.",
        )
