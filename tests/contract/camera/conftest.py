from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.camera.camera_process import CameraProcess, camera_config, make_certificate, start_camera
from tests.contract.camera.fake_agent import FakeAgent

USER = "keeper"
PASSWORD = "paper boat under the bridge"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    (tmp_path / "login").mkdir()
    agent = FakeAgent(tmp_path / "login", tmp_path / "evidence.json")
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture
def unclaimed(tmp_path: Path, agent: FakeAgent) -> Iterator[CameraProcess]:
    """A gated camera on the host; whoever stops it early has seen its stderr."""
    make_certificate(tmp_path)
    camera = start_camera(tmp_path, camera_config(tmp_path))
    yield camera
    errors = camera.stop()
    assert errors == "", errors
    assert camera.process.returncode == 0


@pytest.fixture
def claimed(unclaimed: CameraProcess, agent: FakeAgent) -> CameraProcess:
    agent.claim(USER, PASSWORD)
    return unclaimed


@pytest.fixture
def ungated(tmp_path: Path) -> Iterator[CameraProcess]:
    config = camera_config(tmp_path, mode="ungated")
    camera = start_camera(tmp_path, config)
    yield camera
    errors = camera.stop()
    assert errors == "", errors
