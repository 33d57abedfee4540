import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.qemu.deadline import Deadline
from tests.contract.camera.camera_process import CameraProcess, camera_config, make_certificate, start_camera
from tests.contract.camera.fake_agent import FakeAgent

USER = "keeper"
PASSWORD = "paper boat under the bridge"
VIEWER, VIEWERS_PASSWORD = "recorder", "a viewer's long password"
TURNED_WITHIN_S = 20.0
"""The camera asks every two seconds, and three times before it takes silence for an answer."""


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
def plain(claimed: CameraProcess, agent: FakeAgent) -> CameraProcess:
    """A claimed camera with a viewer, whose owner has opened RTSP in the clear."""
    agent.users[VIEWER] = ("viewer", VIEWERS_PASSWORD)
    agent.plain_rtsp = {"open": True, "port": 554}
    until_turned(claimed, listens=True)
    return claimed


def until_turned(camera: CameraProcess, listens: bool) -> None:
    """Until the port in the clear takes connections, or refuses them."""
    deadline = Deadline(TURNED_WITHIN_S)
    while takes_connections(camera) is not listens:
        deadline.require("the door in the clear")
        time.sleep(0.1)


def takes_connections(camera: CameraProcess) -> bool:
    try:
        socket.create_connection(("127.0.0.1", camera.ports["rtsp"]), TURNED_WITHIN_S).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def ungated(tmp_path: Path) -> Iterator[CameraProcess]:
    config = camera_config(tmp_path, mode="ungated")
    camera = start_camera(tmp_path, config)
    yield camera
    errors = camera.stop()
    assert errors == "", errors
