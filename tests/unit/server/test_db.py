"""The schema: migrations make exactly the models, and transactions do what they promise."""

import socket
import struct
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from update_server.db import session as module
from update_server.db.models import Audit, Base
from update_server.db.session import MIGRATIONS, SCHEMA, Database, check_schema
from update_server.errors import Misconfigured
from update_server.settings import valid_database

SSL_REQUEST = struct.pack("!II", 8, 80877103)


def test_the_migrations_make_exactly_the_models(database):
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_schema_that_is_asked_for_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


def test_a_database_of_another_schema_is_refused(database):
    check_schema(database)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(Misconfigured, match="schema 0001"):
        check_schema(database)


def test_an_empty_database_is_refused(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(Misconfigured):
        check_schema(database)
    database.close()


def test_an_unreachable_database_is_refused(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'no' / 'x.db'}")
    with pytest.raises(Misconfigured):
        check_schema(database)
    database.close()


def test_a_failed_transaction_leaves_nothing(database):
    def fail():
        with database.write() as session:
            session.add(Audit(at=1, who="a", what="b", detail=""))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as session:
        assert session.query(Audit).count() == 0


def test_writers_wait_for_each_other_and_lose_nothing(database):
    def work():
        for _ in range(20):
            with database.write() as session:
                count = session.query(Audit).count()
                session.add(Audit(at=count, who="a", what="b", detail=""))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert sorted(row.at for row in session.query(Audit)) == list(range(80))


def test_what_is_read_in_one_transaction_goes_together(database):
    """Two queries that a write came between must not contradict each other."""
    with database.read() as session:
        before = session.query(Audit).count()
        with database.write() as other:
            other.add(Audit(at=1, who="a", what="b", detail=""))
        assert session.query(Audit).count() == before
    with database.read() as session:
        assert session.query(Audit).count() == before + 1


def test_text_that_a_database_cannot_keep_is_no_trouble(database):
    with database.write() as session:
        session.add(Audit(at=1, who="a", what="b", detail="from a camera: \0"))
    with database.read() as session:
        assert session.query(Audit).one().detail.startswith("from a camera: ")


def test_a_writer_that_waits_too_long_says_so_as_one_that_may_try_again(database, monkeypatch):
    """SQLite's driver waits by itself; PostgreSQL is told for how long."""
    impatient = {"sqlite": {"timeout": 0.1}, "postgresql": {"options": "-c lock_timeout=100"}}
    name = database.engine.url.get_backend_name()
    monkeypatch.setattr(module, name.upper(), impatient[name])
    other = Database(database.engine.url.render_as_string(hide_password=False))
    with database.write(), pytest.raises(OperationalError), other.write():
        pass
    with other.write():
        pass
    other.close()


def test_a_postgresql_server_that_was_started_again_is_found(postgresql):
    database, other = Database(postgresql), Database(postgresql)
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for opened in (database, other):
        with opened.read() as session:
            session.query(Audit).count()
    with other.read() as session:
        assert session.scalar(text(f"SELECT count(pg_terminate_backend(pid)) {others}")) == 1
    with database.read() as session:
        assert session.query(Audit).count() == 0
    for opened in (database, other):
        opened.close()


def test_a_postgresql_server_that_is_not_there_is_said_in_one_line(tmp_path):
    database = Database(f"postgresql://camward@/camward?host={tmp_path}")
    with pytest.raises(Misconfigured, match="cannot be opened") as caught:
        check_schema(database)
    assert "\n" not in str(caught.value)
    database.close()


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "server.db", "postgresql://camward:secret@db/camward", "postgresql://db/c?password=secret"]
)
def test_other_databases_and_passwords_in_the_settings_are_refused(url):
    with pytest.raises(ValueError, match=r"neither|password"):
        valid_database(url)


def test_over_a_network_postgresql_gets_nothing_before_tls():
    """Such a server says N: it has no TLS (PostgreSQL's protocol, SSLRequest)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        got = []

        def answer():
            connection, _ = listener.accept()
            with connection:
                got.append(connection.recv(64))
                connection.sendall(b"N")
                got.append(connection.recv(64))

        thread = threading.Thread(target=answer)
        thread.start()
        database = Database(f"postgresql://camward@127.0.0.1:{listener.getsockname()[1]}/camward?sslmode=disable")
        with pytest.raises(Misconfigured, match="SSL"):
            check_schema(database)
        thread.join()
        database.close()
    assert got == [SSL_REQUEST, b""]
