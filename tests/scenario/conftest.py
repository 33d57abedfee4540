"""One camera, claimed and enrolled once for the whole run; tests take copies."""

import pytest

from tests.scenario.stage import Stage


@pytest.fixture(scope="session")
def stage() -> Stage:
    return Stage()
