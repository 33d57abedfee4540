"""A service that answers byte by byte is one that does not answer; what the same bytes say at once is the control."""

import re
import socket
import ssl
import threading
import time

import pytest

from agent.adapters.linux import rtsp_client
from agent.adapters.linux import services as agent_services
from agent.adapters.linux.services import LoopbackServices
from agent.adapters.linux.web_certificate import SelfSignedCertificate

PAUSE_S = 0.05
SLOW_BYTES = 400  # twenty seconds of them; then the answer is whole, and would be taken
SILENCE_S = 1.0
LONG = b"x" * SLOW_BYTES
SDP = b"v=0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
RTP = bytes((2 << 6, 26 | 0x80)) + (1).to_bytes(2, "big") + (7).to_bytes(4, "big") + bytes(4) + LONG
FRAME = b"$\0" + len(RTP).to_bytes(2, "big") + RTP
FOUND = b"RTSP/1.0 200 OK\r\nSession: s\r\n"
DENIED = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n'
BEGIN = b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(SDP)
PLAYED = [(DENIED, b""), (BEGIN + SDP, b""), (FOUND + b"\r\n", b""), (FOUND + b"\r\n", FRAME)]
"""What each request of a play is answered with: at once, and then slowly."""

HTTP = b"HTTP/1.1 200 OK\r\n"
GO_ON = b"HTTP/1.1 100 Go on\r\n\r\n" * 20
KINDS = {
    "web, in its head": ("web", [(HTTP, b"X: " + LONG + b"\r\nContent-Length: 0\r\n\r\n")]),
    "web, in its body": ("web", [(HTTP + b"Content-Length: %d\r\n\r\n" % SLOW_BYTES, LONG)]),
    "web, in what comes before": ("web", [(b"", GO_ON + HTTP + b"Content-Length: 0\r\n\r\n")]),
    "onvif": ("onvif", [(HTTP + b"Content-Length: %d\r\n\r\n" % SLOW_BYTES, LONG)]),
    "rtsps": ("rtsps", [(FOUND, b"X: " + LONG + b"\r\n\r\n")]),
}  # fmt: skip


class Service:
    """Answers each request on its connection with what comes next."""

    def __init__(self, folder, answers, pause_s):
        certificate = SelfSignedCertificate(folder / "web", 0)
        certificate.ensure("KW1-000001")
        self.services = LoopbackServices(certificate.path)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.path, certificate.key)
        self._answers, self._pause_s = answers, pause_s
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def described(self, kind):
        return {"name": kind, "kind": kind, "port": self.port}

    def close(self):
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self):
        try:
            with self._context.wrap_socket(self._listener.accept()[0], server_side=True) as client:
                for at_once, slowly in self._answers:
                    _take_request(client)
                    client.sendall(at_once if self._pause_s else at_once + slowly)
                    for byte in slowly if self._pause_s else b"":
                        if self._ended.wait(self._pause_s):
                            return
                        client.sendall(bytes((byte,)))
                self._ended.wait()
        except OSError:
            pass  # the other side has had enough


def _take_request(client):
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += _some(client)
    head, _, body = taken.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += _some(client)


def _some(client):
    piece = client.recv(4096)
    if not piece:
        raise ConnectionError
    return piece


@pytest.fixture
def serve(tmp_path):
    made = []

    def make(answers, pause_s):
        made.append(Service(tmp_path, answers, pause_s))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.mark.parametrize("name", KINDS)
def test_an_answer_that_dribbles_in_is_none(serve, monkeypatch, name):
    kind, answers = KINDS[name]
    fast = serve(answers, 0)
    assert fast.services.answers(fast.described(kind)), "the control"
    monkeypatch.setattr(agent_services, "SHORT_S", SILENCE_S)
    slow = serve(answers, PAUSE_S)
    assert not slow.services.answers(slow.described(kind))


def test_a_frame_that_dribbles_in_is_none(serve, monkeypatch):
    fast = serve(PLAYED, 0)
    assert fast.services.plays(fast.described("rtsps"), "127.4.5.6", "probe", "x"), "the control"
    monkeypatch.setattr(rtsp_client, "FRAME_WITHIN_S", SILENCE_S)
    slow = serve(PLAYED, PAUSE_S)
    assert not slow.services.plays(slow.described("rtsps"), "127.4.5.6", "probe", "x")


def test_a_login_whose_answer_dribbles_in_is_a_silence_and_the_next_try_has_its_own_time(serve, monkeypatch):
    monkeypatch.setattr(agent_services, "TRIES", 1)
    monkeypatch.setattr(agent_services, "WHOLE", 0.1)
    where = {"way": "login"}
    quick = (HTTP + b"Content-Length: 0\r\n\r\n", b"")
    service = serve([quick, quick, (HTTP, b"X: " + LONG + b"\r\nContent-Length: 0\r\n\r\n")], PAUSE_S)
    where |= service.described("web")
    assert service.services.enter(where, "127.4.5.6", "kanri", "x") == "in"
    time.sleep(agent_services.WHOLE * agent_services.ANSWER_WITHIN_S)
    assert service.services.enter(where, "127.4.5.6", "kanri", "x") == "in"
    assert service.services.enter(where, "127.4.5.6", "kanri", "x") == "silent"
    service.services.leave()
