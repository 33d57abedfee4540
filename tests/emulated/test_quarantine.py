"""Quarantine on the emulated camera: its kernel cuts other programs off, and its page says why."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from firmware_sim.image.provision import Device
from firmware_sim.netns import FRONT_ADDRESS
from tests.emulated.lab_camera import ANSWER_S, HOST, LabCamera, claimed

CAMERA_UID = 900
STATE = "/data/camward/quarantine/state.json"
QUARANTINE = {"v": 1, "active": True, "number": 7, "since_at": 1_800_000_000, "reason": "ticket 7"}
CONNECT = (
    "import os,socket;os.setgid({uid});os.setuid({uid});"
    "socket.create_connection(('{host}',{port}),8).close();print('reached')"
)


@pytest.fixture(scope="module")
def lab(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCamera]:
    with claimed(camera_of, tmp_path_factory.mktemp("lab")) as camera:
        yield camera


def reaches(lab: LabCamera, uid: int) -> bool:
    """Whether a program of that user on the camera reaches us."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(ANSWER_S)
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        program = CONNECT.format(uid=uid, host=HOST, port=server.getsockname()[1])
        return lab.shell(f'python3 -s -S -P -c "{program}" 2>/dev/null || echo cut off').endswith("reached")


def _accept(server: socket.socket) -> None:
    try:
        server.accept()[0].close()
    except OSError:
        pass  # nobody came, and the test is over


def streams(lab: LabCamera) -> bool:
    """Whether a server answers at the port of the stream: QEMU takes the connection, whatever the camera does."""
    try:
        return bool(ssl.get_server_certificate((FRONT_ADDRESS, lab.machine.port(322)), timeout=20))
    except OSError:
        return False


def test_other_programs_are_cut_off_and_the_page_says_why(lab: LabCamera):
    lab.restore()
    assert reaches(lab, CAMERA_UID), "control: before, the camera's program reaches whom it likes"
    assert streams(lab), "control: before, the stream's port answers"
    lab.shell("mkdir -p /data/camward/quarantine")
    lab.put(STATE, json.dumps(QUARANTINE).encode())
    lab.restart("agent")
    lab.shell("for n in 1 2 3 4 5 6 7 8 9; do nft list table inet camward_quarantine && break; sleep 2; done")
    assert not reaches(lab, CAMERA_UID)
    assert reaches(lab, 0), "the agent, which is root, goes on"
    assert not streams(lab)
    page = lab.person.get("/")
    assert page.status_code == 403
    assert "ticket 7" in page.text
    assert lab.evidence()["facts"]["quarantine"]["traffic_closed"] is True
