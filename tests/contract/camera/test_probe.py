"""The agent's own client of the camera's stream: a whole frame or nothing; a refusal and a silence are no picture."""

import pytest

from agent.adapters.linux.rtsp_client import CHANNEL, Rtsp, play
from agent.adapters.linux.services import LoopbackServices
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.conftest import PASSWORD, USER

SOURCE = "127.4.5.6"


def service(camera: CameraProcess) -> dict[str, object]:
    return {"name": "rtsp", "kind": "rtsps", "port": camera.ports["rtsps"]}


def test_a_frame_arrives_with_the_right_password_alone(claimed: CameraProcess):
    services = LoopbackServices(claimed.certificate)
    assert services.plays(service(claimed), SOURCE, USER, PASSWORD)
    assert not services.plays(service(claimed), SOURCE, USER, PASSWORD + "x")
    assert not services.plays(service(claimed), SOURCE, "nobody", PASSWORD)


def test_a_frame_is_as_large_as_a_picture(claimed: CameraProcess):
    with Rtsp(claimed.ports["rtsps"], SOURCE, claimed.certificate, 10.0) as rtsp:
        assert play(rtsp, USER, PASSWORD) > 1000


def test_an_unclaimed_camera_plays_nothing_and_still_answers(unclaimed: CameraProcess):
    services = LoopbackServices(unclaimed.certificate)
    assert not services.plays(service(unclaimed), SOURCE, USER, PASSWORD)
    assert services.answers(service(unclaimed))


def test_a_camera_that_is_gone_plays_nothing(claimed: CameraProcess):
    services = LoopbackServices(claimed.certificate)
    gone = service(claimed)
    claimed.stop()
    assert not services.plays(gone, SOURCE, USER, PASSWORD)


class Stream(Rtsp):
    """A service that lets everybody in and then sends these bytes."""

    def __init__(self, sent: bytes) -> None:
        self._port = 322
        self._buffer = sent

    def ask(self, method, login, url="", more=None):
        self.body = b"v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:a\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
        if not login:
            return 401, {"www-authenticate": 'Digest realm="r", nonce="n"'}
        return 200, {"session": "s"}

    def _fill(self):
        raise TimeoutError("nothing more comes")


def packet(sequence: int, at: int, marker: bool = False, channel: int = CHANNEL, version: int = 2) -> bytes:
    head = bytes((version << 6, 26 | (0x80 if marker else 0)))
    rtp = head + sequence.to_bytes(2, "big") + at.to_bytes(4, "big") + bytes(4) + b"data"
    return b"$" + bytes((channel,)) + len(rtp).to_bytes(2, "big") + rtp


def test_a_frame_ends_with_its_marker_and_other_channels_do_not_matter():
    sent = packet(0xFFFF, 7) + packet(1, 1, True, channel=1) + packet(0, 7) + packet(1, 7, True)
    assert play(Stream(sent), USER, PASSWORD) == 3 * len(b"data")


def test_packets_of_a_frame_before_do_not_count():
    assert play(Stream(packet(1, 7) + packet(2, 9, True)), USER, PASSWORD) == len(b"data")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        packet(1, 7),
        packet(1, 7) + packet(3, 7, True),
        packet(1, 7, True, version=1),
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"$\x00\x00\x0c" + bytes(12),
    ],
    ids=["silence", "no marker", "a packet is lost", "another version", "no packet", "an empty packet"],
)
def test_less_than_a_frame_is_none(sent):
    with pytest.raises((ValueError, TimeoutError)):
        play(Stream(sent), USER, PASSWORD)
