"""One camera, claimed and enrolled once for each file of tests; tests take copies, and share what was released."""

import pytest

from tests.scenario.stage import Stage


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()
