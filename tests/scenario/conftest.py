"""One camera, claimed and enrolled once for each file of tests; tests take copies, and share what was released."""

import pytest

from tests.scenario.stage import Stage
from tests.unit.server.conftest import migrated, sqlite, sqlite_database

__all__ = ["migrated", "sqlite", "sqlite_database", "stage"]


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()
