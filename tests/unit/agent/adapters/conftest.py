"""The fixture that the tests of the encrypted data partition share."""

from types import SimpleNamespace

import pytest

from tests.unit.agent.adapters.partition_camera import make_camera


@pytest.fixture
def camera(tmp_path, monkeypatch) -> SimpleNamespace:
    return make_camera(tmp_path, monkeypatch)
