"""A database in memory-like speed: one file per test, migrated once and copied."""

import shutil

import pytest

from update_server.db.models import Device, Release
from update_server.db.session import Database, migrate

NOW = 1_800_000_000


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "empty.db"
    made = Database(f"sqlite:///{path}")
    migrate(made)
    made.close()
    return path


@pytest.fixture
def database(migrated, tmp_path):
    shutil.copy(migrated, tmp_path / "server.db")
    opened = Database(f"sqlite:///{tmp_path / 'server.db'}")
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
