"""A database for each test, SQLite once and PostgreSQL once: migrated one time, and copied."""

import shutil
from itertools import count

import pytest

from tests import postgres
from update_server.db.models import Device, Release
from update_server.db.session import Database, migrate

NOW = 1_800_000_000
NUMBERS = count()


def _migrate(url):
    made = Database(url)
    migrate(made)
    made.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "empty.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def cluster():
    with postgres.cluster() as made:
        _migrate(made.create("migrated"))
        yield made


@pytest.fixture
def sqlite(migrated, tmp_path):
    shutil.copy(migrated, tmp_path / "server.db")
    return f"sqlite:///{tmp_path / 'server.db'}"


@pytest.fixture
def postgresql(cluster):
    name = f"test{next(NUMBERS)}"
    yield cluster.create(name, "migrated")
    cluster.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_database(sqlite):
    """For tests elsewhere, which do not care what the database is."""
    opened = Database(sqlite)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    opened = Database(request.getfixturevalue(request.param))
    yield opened
    opened.close()


@pytest.fixture
def fleet(database):
    """Ten cameras that run 1.0.0, and a release 1.1.0."""
    with database.write() as session:
        for number in range(10):
            session.add(
                Device(
                    id=f"{number:026d}", serial=f"S{number}", model="kawa-1", hardware="a", version="1.0.0",
                    ownership_sha256="", enrolled_at=NOW, online=number != 0,
                )
            )  # fmt: skip
        session.add(
            Release(
                version="1.1.0", model="kawa-1", target="kawa-1-1.1.0.slot", length_bytes=4096, sha256="0" * 64,
                custom={"camward": {"hardware": ["a"]}}, state="published", added_at=NOW,
            )
        )  # fmt: skip
    return database
