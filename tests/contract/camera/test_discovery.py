"""WS-Discovery on the wire: the camera is found, says what it may, and is no amplifier."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.adapters.linux.sensors import listeners
from agent.formats import discovery
from firmware_sim.camera.discovery import MAX_ANSWER_BYTES, SOURCE_ANSWERS_AT_ONCE, SOURCE_ANSWERS_PER_S, bind_discovery
from firmware_sim.netns import ATTACKER_ADDRESS, PERSON_ADDRESS
from tests.contract.camera.camera_process import CameraProcess, camera_config, make_certificate, start_camera
from tests.contract.camera.conftest import PASSWORD, USER
from tests.contract.camera.fake_agent import SERIAL, FakeAgent

ANSWERED_WITHIN_S = 5.0
SILENT_FOR_S = 1.2
"""Longer than an answer may be held back."""
IP_RECVTTL = 12
"""ip(7); the socket module does not name it."""


@pytest.fixture
def camera(tmp_path: Path, agent: FakeAgent) -> Iterator[CameraProcess]:
    make_certificate(tmp_path)
    ports = {"https": 0, "rtsps": 0, "discovery": 0}
    started = start_camera(tmp_path, camera_config(tmp_path, address="0.0.0.0", listeners=ports))
    yield started
    errors = started.stop()
    assert errors == "", errors
    assert started.process.returncode == 0


class Asker:
    """Somebody on the network who looks for cameras."""

    def __init__(self, camera: CameraProcess, address: str = PERSON_ADDRESS, port: int = 0) -> None:
        self._to = camera.ports["discovery"]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))

    def ask(self, body: bytes, to: str = discovery.GROUP) -> None:
        self.socket.sendto(body, (to, self._to))

    def hear(self, within_s: float) -> list[bytes]:
        """Everything that comes in this time; once something has come, no longer than an answer may take."""
        heard: list[bytes] = []
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                heard.append(self.socket.recv(65_536))
            except TimeoutError:
                break
            until = min(until, time.monotonic() + SILENT_FOR_S)
        return heard

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def found(answers: list[bytes]) -> discovery.Match:
    ((related, (match,)),) = map(discovery.parse_matches, answers)
    assert related == "urn:uuid:1"
    return match


PROBE = discovery.encode_probe("urn:uuid:1")


@pytest.mark.parametrize("to", [discovery.GROUP, "127.0.0.1"])
def test_an_unclaimed_camera_is_found_with_its_serial_number(camera: CameraProcess, to: str) -> None:
    with Asker(camera, "127.0.0.1") as asker:
        asker.ask(PROBE, to)
        match = found(asker.hear(ANSWERED_WITHIN_S))
    facts = {"state": "unclaimed", "serial": SERIAL, "hardware": "a", "model": "kawa-1"}
    assert discovery.told(match) == facts
    assert match.types == discovery.OUR_TYPES
    assert match.addresses == (f"https://127.0.0.1:{camera.ports['https']}/onvif/device_service",)


def test_a_claimed_camera_does_not_tell_its_serial_number(camera: CameraProcess, agent: FakeAgent) -> None:
    agent.claim(USER, PASSWORD)
    with Asker(camera) as asker:
        asker.ask(PROBE)
        match = found(asker.hear(ANSWERED_WITHIN_S))
        assert discovery.told(match) == {"state": "claimed", "model": "kawa-1"}
        asker.ask(PROBE)
        assert found(asker.hear(ANSWERED_WITHIN_S)).endpoint == match.endpoint


def test_it_answers_those_who_look_for_cameras_and_nothing_else(camera: CameraProcess, agent: FakeAgent) -> None:
    printer = PROBE.replace(b"dn:NetworkVideoTransmitter", b"s:Printer")
    hello = PROBE.replace(b"/Probe<", b"/Hello<").replace(b"d:Probe>", b"d:Hello>")
    swelling = discovery.encode_probe('"' * 500)
    with Asker(camera) as asker:
        for body in (
            swelling,
            printer,
            hello,
            b"",
            b"\xff" * 900,
            PROBE + b" " * 5000,
            b'<!DOCTYPE a [<!ENTITY b "c">]>' + PROBE,
        ):
            asker.ask(body)
        assert asker.hear(SILENT_FOR_S) == []
        asker.ask(PROBE)
        found(asker.hear(ANSWERED_WITHIN_S))
    agent.stop()
    with Asker(camera) as asker:
        asker.ask(PROBE)
        assert asker.hear(SILENT_FOR_S) == []
    agent.start()


def test_a_forged_source_gets_little_and_keeps_nobody_else_from_an_answer(camera: CameraProcess) -> None:
    with Asker(camera, ATTACKER_ADDRESS) as victim, Asker(camera) as person:
        started = time.monotonic()
        for _ in range(200):
            victim.ask(PROBE, "127.0.0.1")
        answers = victim.hear(ANSWERED_WITHIN_S)
        most = SOURCE_ANSWERS_AT_ONCE + SOURCE_ANSWERS_PER_S * (time.monotonic() - started) + 1
        assert 1 <= len(answers) <= most
        assert max(map(len, answers)) <= min(MAX_ANSWER_BYTES, 3 * len(PROBE))
        person.ask(PROBE)
        found(person.hear(ANSWERED_WITHIN_S))


def test_an_answer_does_not_pass_a_router_nor_reach_a_service(camera: CameraProcess) -> None:
    with Asker(camera) as asker:
        asker.socket.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        asker.ask(PROBE)
        asker.socket.settimeout(ANSWERED_WITHIN_S)
        _, ((_, _, ttl),), _, _ = asker.socket.recvmsg(65_536, 64)
        assert int.from_bytes(ttl, "little") == 1
    with Asker(camera, port=1023) as service:
        service.ask(PROBE)
        assert service.hear(SILENT_FOR_S) == []
    with bind_discovery("127.0.0.1", 0) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE) == 1


def test_the_port_is_what_the_evidence_probe_finds_and_a_declaration_names(camera: CameraProcess) -> None:
    port = {"proto": "udp", "port": camera.ports["discovery"]}
    before = listeners()
    assert port in before
    with Asker(camera) as asker:
        asker.ask(PROBE)
        found(asker.hear(ANSWERED_WITHIN_S))
        asker.socket.close()
        assert listeners() == before
