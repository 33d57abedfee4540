"""The schema: migrations make exactly the models, and transactions do what they promise."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from update_server.db.models import Audit, Base
from update_server.db.session import MIGRATIONS, SCHEMA, Database, check_schema
from update_server.errors import Misconfigured


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
