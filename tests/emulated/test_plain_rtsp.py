"""RTSP in the clear on the emulated camera: opened by its administrator, played by a viewer, reported, closed again."""

import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import quote

import pytest

from firmware_sim.demo.person import is_jpeg
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.provision import Device
from firmware_sim.netns import FRONT_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from tests.emulated.lab_camera import BOOT_S, PASSWORD, USER, LabCamera, claimed, reasons, verdicts

PORT = 554
VIEWER, VIEWERS_PASSWORD = "rokuga", "brook-Heron-45-gravel"
TURNED_S = 60.0
PLAY_S = 120.0
ADD_VIEWER = (
    '<CreateUsers xmlns="http://www.onvif.org/ver10/device/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">'
    f"<User><tt:Username>{VIEWER}</tt:Username><tt:Password>{VIEWERS_PASSWORD}</tt:Password>"
    "<tt:UserLevel>User</tt:UserLevel></User></CreateUsers>"
)


@pytest.fixture
def lab(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCamera]:
    with claimed(camera_of, tmp_path_factory.mktemp("lab")) as camera:
        camera.restore()
        camera.person.meet(Deadline(BOOT_S))
        yield camera


def listens(lab: LabCamera) -> bool:
    """Whether the camera's kernel has a listener on the port."""
    return lab.shell(f"grep -c ':{PORT:04X} 00000000:0000 0A' /proc/net/tcp || true") == "1"


def until_turned(lab: LabCamera, wanted: bool) -> None:
    deadline = Deadline(TURNED_S)
    while listens(lab) is not wanted:
        deadline.require("the door in the clear")
        time.sleep(0.5)


def plays(lab: LabCamera, user: str, password: str) -> bool:
    """Whether ffmpeg decodes a picture over rtsp://."""
    url = f"rtsp://{user}:{quote(password)}@{FRONT_ADDRESS}:{lab.machine.port(PORT)}/stream"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", url]
    command += ["-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "-"]
    done = subprocess.run(command, capture_output=True, timeout=PLAY_S, check=False)
    return done.returncode == 0 and is_jpeg(done.stdout)


def test_it_is_opened_by_the_owner_played_by_a_viewer_reported_and_closed(lab: LabCamera) -> None:
    ask = lab.person.ask
    assert patiently(partial(ask, "/api/login", {"user": USER, "password": PASSWORD})).ok
    added = lab.person.onvif(ADD_VIEWER, USER, PASSWORD)
    assert added.status == 200, added.text
    assert not listens(lab)
    assert not plays(lab, VIEWER, VIEWERS_PASSWORD)
    assert verdicts(lab.evidence())["S1.1-12"] == "PASS"

    order = {"password": PASSWORD, "port": str(PORT), "days": "7"}
    wrong = patiently(partial(ask, "/api/open-plain-rtsp", order | {"password": "nothing like it"}))
    assert wrong.status == 401, wrong.text
    assert not listens(lab)
    opened = patiently(partial(ask, "/api/open-plain-rtsp", order))
    assert opened.ok, opened.text
    until_turned(lab, wanted=True)
    assert plays(lab, VIEWER, VIEWERS_PASSWORD)
    assert not plays(lab, USER, PASSWORD), "administrators are refused there"
    assert lab.person.play(USER, PASSWORD).ok, "the control, by TLS"

    report = lab.evidence()
    assert verdicts(report)["S1.1-12"] == "FAIL"
    assert f"port {PORT} is RTSP without TLS: an exception" in reasons(report)["S1.1-12"]
    assert opened.body["since"] in reasons(report)["S1.1-12"]
    assert report["facts"]["plain_rtsp"]["open"] is True
    tried = {one["service"]: one for one in report["facts"]["login_negative"]["tried"]}
    assert (tried["rtsp_plain"]["anonymous"], tried["rtsp_plain"]["default"]) == ("refused", "refused")
    assert verdicts(report)["S1.1-01"] == verdicts(report)["S1.1-04"] == verdicts(report)["S1.1-13"] == "PASS"

    lab.restart("agent")
    until_turned(lab, wanted=True)  # where the agent's start was slow, it was closed meanwhile
    assert plays(lab, VIEWER, VIEWERS_PASSWORD), "an agent that starts again goes on with it"

    lab.person.meet(Deadline(BOOT_S))
    assert patiently(partial(ask, "/api/login", {"user": USER, "password": PASSWORD})).ok
    assert ask("/api/close-plain-rtsp", {}).ok
    until_turned(lab, wanted=False)
    assert not plays(lab, VIEWER, VIEWERS_PASSWORD)
    assert verdicts(lab.evidence())["S1.1-12"] == "PASS"
