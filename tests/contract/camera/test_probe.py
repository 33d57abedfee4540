"""The agent's own client of the camera's stream: a whole frame or nothing; a refusal and a silence are no picture."""

import socket

import pytest

from agent.adapters.linux import services as agent_services
from agent.adapters.linux.rtsp_client import CHANNEL, Rtsp, play
from agent.adapters.linux.services import Http, LoopbackServices
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.conftest import PASSWORD, USER, VIEWER, VIEWERS_PASSWORD

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


KINDS = (
    ("web", "https", "digest"),
    ("web", "https", "login"),
    ("onvif", "https", "digest"),
    ("rtsps", "rtsps", "digest"),
)


@pytest.fixture
def connections(monkeypatch) -> list[str]:
    """The addresses that connections were made from, by kind."""
    made = []
    for kind in (Http, Rtsp):
        begin = kind.__init__

        def init(self, port, source, certificate, timeout_s, begin=begin, name=kind.__name__):
            made.append(f"{name} {source}")
            begin(self, port, source, certificate, timeout_s)

        monkeypatch.setattr(kind, "__init__", init)
    return made


def tried(services: LoopbackServices, camera: CameraProcess, source: str, password: str) -> list[str]:
    """What came of a try at each way."""
    found = []
    for kind, port, way in KINDS:
        where = {"name": kind, "kind": kind, "port": camera.ports[port], "way": way}
        found.append(services.enter(where, source, USER, password))
    return found


def test_tries_from_one_address_share_a_connection_to_each_service(claimed: CameraProcess, connections: list[str]):
    services = LoopbackServices(claimed.certificate)
    for password, outcome in (("wrong", "refused"), (PASSWORD, "in"), ("wrong", "refused")):
        assert tried(services, claimed, SOURCE, password) == [outcome] * len(KINDS)
    assert sorted(connections) == [f"Http {SOURCE}"] * 2 + [f"Rtsp {SOURCE}"]
    services.leave()
    assert tried(services, claimed, SOURCE, PASSWORD) == ["in"] * len(KINDS)
    assert len(connections) == 6
    services.leave()


def test_another_address_has_connections_of_its_own(claimed: CameraProcess, connections: list[str]):
    services = LoopbackServices(claimed.certificate)
    tried(services, claimed, SOURCE, PASSWORD)
    assert tried(services, claimed, "127.4.5.7", PASSWORD) == ["in"] * len(KINDS)
    assert len(connections) == 6
    services.leave()


def test_a_connection_that_was_closed_meanwhile_is_no_silence(claimed: CameraProcess, connections: list[str]):
    services = LoopbackServices(claimed.certificate)
    tried(services, claimed, SOURCE, PASSWORD)
    for kept in services._kept.values():
        (kept._socket if isinstance(kept, Rtsp) else kept._connection.sock.socket).shutdown(socket.SHUT_RDWR)
    assert tried(services, claimed, SOURCE, PASSWORD) == ["in"] * len(KINDS)
    services.leave()


def test_a_camera_that_is_gone_is_silent_on_a_kept_connection_as_well(claimed: CameraProcess, monkeypatch):
    monkeypatch.setattr(agent_services, "PAUSE_S", 0.01)
    services = LoopbackServices(claimed.certificate)
    where = {"name": "web", "kind": "web", "port": claimed.ports["https"], "way": "digest"}
    assert services.enter(where, SOURCE, USER, PASSWORD) == "in"
    claimed.stop()
    assert services.enter(where, SOURCE, USER, PASSWORD) == "silent"


def test_the_door_in_the_clear_is_tried_like_the_others(plain: CameraProcess):
    services = LoopbackServices(plain.certificate)
    where = {"name": "rtsp_plain", "kind": "rtsp", "port": plain.ports["rtsp"], "way": "digest"}
    assert services.enter(where, SOURCE, None, "") == "refused"
    assert services.enter(where, SOURCE, "admin", "admin") == "refused"
    assert services.enter(where, SOURCE, USER, PASSWORD) == "refused"
    assert services.enter(where, SOURCE, VIEWER, VIEWERS_PASSWORD) == "in", "the control"
    services.leave()


class Stream(Rtsp):
    """A service that lets everybody in and then sends these bytes."""

    def __init__(self, sent: bytes) -> None:
        self._url = "rtsps://127.0.0.1:322/stream"
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
