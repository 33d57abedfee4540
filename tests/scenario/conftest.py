"""One camera, claimed and enrolled once for each file of tests; tests take copies, and share what was released."""

import pytest

from tests.scenario.stage import Stage
from tests.unit.server.conftest import database, migrated

__all__ = ["database", "migrated", "stage"]


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()
