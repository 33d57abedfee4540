import base64

import pytest

from firmware_sim.camera.pattern import HEIGHT, WIDTH
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser, decode_frames, raw, read_to_end, send_and_read, stream_url
from tests.contract.camera.conftest import PASSWORD, USER, VIEWER, VIEWERS_PASSWORD
from tests.contract.camera.fake_agent import FakeAgent, digest_response
from tests.contract.camera.test_onvif import call, user_xml

FRAME_BYTES = WIDTH * HEIGHT


class RtspSession:
    """A client that answers challenges, on one connection."""

    def __init__(self, camera: CameraProcess, service: str, user: str = USER, password: str = PASSWORD) -> None:
        self.sock = raw(camera, service)
        self.stream = self.sock.makefile("rb")
        self.url = f"{service}://127.0.0.1:{camera.ports[service]}/stream"
        self.user, self.password = user, password
        self.headers: dict[str, str] = {}
        self.session = ""
        self.nonce = ""

    def send(self, method: str, target: str, *lines: str) -> int:
        status = self._send(method, target, *lines)
        if status == 401 and not self.nonce:
            self.nonce = self.headers["www-authenticate"].partition('nonce="')[2].partition('"')[0]
            status = self._send(method, target, *lines)
        return status

    def _send(self, method: str, target: str, *lines: str) -> int:
        parts = [f"{method} {target} RTSP/1.0", "CSeq: 7", *lines]
        if self.session:
            parts.append(f"Session: {self.session}")
        if self.nonce:  # the RFC 2069 form, without qop, as older players send it
            request = {"user": self.user, "method": method, "uri": target, "nonce": self.nonce, "algorithm": "MD5"}
            response = digest_response(request, self.password)
            parts.append(
                f'Authorization: Digest username="{self.user}", realm="camward", nonce="{self.nonce}", '
                f'uri="{target}", response="{response}"'
            )
        self.sock.sendall(("\r\n".join(parts) + "\r\n\r\n").encode())
        status = int(self.stream.readline().split()[1])
        self.headers = {}
        while line := self.stream.readline().strip():
            name, _, value = line.decode().partition(": ")
            known = self.headers.get(name.lower())
            self.headers[name.lower()] = f"{known}, {value}" if known else value
        self.stream.read(int(self.headers.get("content-length", "0")))
        self.session = self.headers.get("session", self.session).partition(";")[0]
        return status

    def play(self) -> None:
        assert self.send("DESCRIBE", self.url) == 200
        assert self.send("SETUP", self.url + "/track1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1") == 200
        assert self.send("PLAY", self.url + "/") == 200

    def packet(self) -> bytes:
        """One interleaved packet, empty at the end of the stream."""
        try:
            header = self.stream.read(4)
            return self.stream.read(int.from_bytes(header[2:], "big")) if header[:1] == b"$" else b""
        except OSError:
            return b""

    def close(self) -> None:
        self.stream.close()
        self.sock.close()


@pytest.mark.parametrize(
    ("scheme", "user", "password"), [("rtsps", USER, PASSWORD), ("rtsp", VIEWER, VIEWERS_PASSWORD)]
)
def test_ffmpeg_plays_with_the_right_password_and_not_with_another(
    plain: CameraProcess, scheme: str, user: str, password: str
) -> None:
    right = decode_frames(stream_url(plain, scheme, user, password), frames=3)
    assert right.returncode == 0, right.stderr
    frames = [right.stdout[i * FRAME_BYTES : (i + 1) * FRAME_BYTES] for i in range(3)]
    assert len(right.stdout) == 3 * FRAME_BYTES
    assert len(set(frames)) > 1

    for other, guess in ((user, "admin"), ("admin", "admin"), ("root", password)):
        wrong = decode_frames(stream_url(plain, scheme, other, guess), frames=1)
        assert (wrong.returncode != 0, wrong.stdout) == (True, b"")
        assert b"401" in wrong.stderr


def test_ffmpeg_does_not_play_another_path(claimed: CameraProcess) -> None:
    result = decode_frames(stream_url(claimed, "rtsps", USER, PASSWORD, path="/other"), frames=1)

    assert b"404" in result.stderr
    assert result.stdout == b""


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER", "PAUSE"])
def test_an_unclaimed_camera_refuses_every_method(unclaimed: CameraProcess, method: str) -> None:
    with raw(unclaimed, "rtsps") as sock:
        answer = send_and_read(sock, f"{method} rtsps://127.0.0.1/stream RTSP/1.0\r\nCSeq: 3\r\n\r\n".encode())

    assert answer.startswith(b"RTSP/1.0 403 ")
    assert b"CSeq: 3\r\n" in answer


def test_basic_is_good_over_tls_alone(plain: CameraProcess, agent: FakeAgent) -> None:
    basic = "Authorization: Basic " + base64.b64encode(f"{VIEWER}:{VIEWERS_PASSWORD}".encode()).decode()
    wrong = "Authorization: Basic YWRtaW46YWRtaW4="
    encrypted, clear = RtspSession(plain, "rtsps"), RtspSession(plain, "rtsp")

    assert encrypted._send("DESCRIBE", encrypted.url, wrong) == 401
    assert encrypted._send("DESCRIBE", encrypted.url, basic) == 200
    assert clear._send("DESCRIBE", clear.url, basic) == 401
    assert "Basic" not in clear.headers["www-authenticate"]
    assert ("rtsp_plain", "login") not in [(service, asked["op"]) for service, asked in agent.asked]
    encrypted.close()
    clear.close()


def test_a_session_belongs_to_its_connection_and_its_states(claimed: CameraProcess) -> None:
    client, stranger = RtspSession(claimed, "rtsps"), RtspSession(claimed, "rtsps")
    client.play()
    packet = client.packet()
    assert packet[1] & 0x7F == 26

    stranger.session = client.session
    assert stranger.send("PLAY", stranger.url) == 454
    assert stranger.send("TEARDOWN", stranger.url) == 454
    assert stranger.send("SETUP", stranger.url, "Transport: RTP/AVP;unicast;client_port=5000-5001") == 461
    assert stranger.send("SETUP", stranger.url, "Transport: RTP/AVP/TCP;unicast;interleaved=255-256") == 400
    assert stranger.send("RECORD", stranger.url) == 501
    for session in (client, stranger):
        session.close()


def test_a_digest_is_good_for_its_own_request_alone(claimed: CameraProcess) -> None:
    client = RtspSession(claimed, "rtsps")
    assert client.send("DESCRIBE", client.url) == 200
    good = f'Digest username="{USER}", realm="camward", nonce="{client.nonce}", uri="{client.url}", response="%s"'
    request = {"user": USER, "method": "DESCRIBE", "uri": client.url, "nonce": client.nonce, "algorithm": "MD5"}
    header = "Authorization: " + good % digest_response(request, PASSWORD)
    client.nonce = ""

    assert client._send("DESCRIBE", client.url, header) == 200
    assert client._send("SETUP", client.url, "Transport: RTP/AVP/TCP;interleaved=0-1", header) == 401
    assert client._send("DESCRIBE", client.url + "/", header) == 401
    client.close()


def test_a_player_may_send_reports_and_keep_alives_while_it_plays(plain: CameraProcess) -> None:
    client = RtspSession(plain, "rtsp", VIEWER, VIEWERS_PASSWORD)
    client.play()
    client.packet()

    client.sock.sendall(
        b"$\x01\x00\x04\x80\xc9\x00\x00" + f"GET_PARAMETER {client.url} RTSP/1.0\r\nCSeq: 9\r\n".encode()
    )
    client.sock.sendall(f"Session: {client.session}\r\n\r\n".encode())
    while (first := client.stream.read(1)) == b"$":
        client.stream.read(int.from_bytes(client.stream.read(3)[1:], "big"))
    assert first + client.stream.readline() == b"RTSP/1.0 200 OK\r\n"
    client.close()


def test_a_stream_ends_when_the_camera_is_locked(claimed: CameraProcess, agent: FakeAgent) -> None:
    client = RtspSession(claimed, "rtsps")
    client.play()
    assert client.packet()

    agent.state = "locked"

    while client.packet():
        pass
    client.close()


def test_a_stream_ends_when_its_password_is_changed_and_others_go_on(claimed: CameraProcess, agent: FakeAgent) -> None:
    agent.users["guest"] = ("viewer", "a viewer's long password")
    client, guest = RtspSession(claimed, "rtsps"), RtspSession(claimed, "rtsps", "guest", "a viewer's long password")
    client.play()
    guest.play()
    browser = Browser(claimed)
    browser.post("/api/login", {"user": USER, "password": PASSWORD})

    assert browser.post("/api/change-password", {"old": PASSWORD, "new": "gravel bank and heron"}).status == 200

    while client.packet():
        pass
    assert guest.packet()
    client.close()
    guest.close()


def test_a_lost_answer_to_a_change_keeps_no_stream_and_no_session(claimed: CameraProcess, agent: FakeAgent) -> None:
    """The camera program does not know then what has become of the change; the agent does."""
    agent.users["guest"] = ("viewer", "a viewer's long password")
    owner, guest = RtspSession(claimed, "rtsps"), RtspSession(claimed, "rtsps", "guest", "a viewer's long password")
    owner.play()
    guest.play()
    browser, other = Browser(claimed), Browser(claimed)
    for one in (browser, other):
        one.post("/api/login", {"user": USER, "password": PASSWORD})
    agent.lose_answer_to = "change_password"

    assert browser.post("/api/change-password", {"old": PASSWORD, "new": "gravel bank and heron"}).status == 503

    while owner.packet():
        pass
    assert guest.packet()
    assert [one.get("/snapshot.jpg").status for one in (browser, other)] == [401, 401]
    owner.close()

    agent.lose_answer_to = "set_user"
    fewer = user_xml("guest", "User", "reeds and a grey wagtail")
    assert call(claimed, f"<SetUser>{fewer}</SetUser>", USER, "gravel bank and heron")[0] == 503
    while guest.packet():
        pass
    guest.close()


def test_a_change_while_the_agent_was_away_keeps_no_stream(claimed: CameraProcess, agent: FakeAgent) -> None:
    client = RtspSession(claimed, "rtsps")
    client.play()
    assert client.packet()

    agent.stop()
    agent.changes[USER] += 1
    agent.start()

    while client.packet():
        pass
    assert decode_frames(stream_url(claimed, "rtsps", USER, PASSWORD), frames=1).returncode == 0
    client.close()


def test_no_agent_no_stream(claimed: CameraProcess, agent: FakeAgent) -> None:
    assert decode_frames(stream_url(claimed, "rtsps", USER, PASSWORD), frames=1).returncode == 0
    agent.stop()

    result = decode_frames(stream_url(claimed, "rtsps", USER, PASSWORD), frames=1)

    agent.start()
    assert (result.returncode != 0, result.stdout) == (True, b"")
    assert b"503" in result.stderr


def test_lockout_closes_the_conversation(claimed: CameraProcess, agent: FakeAgent) -> None:
    agent.refuse_with = {"code": "wait", "retry_after_s": 60}
    client = RtspSession(claimed, "rtsps")

    assert client.send("DESCRIBE", client.url) == 403
    assert client.headers["retry-after"] == "60"
    assert read_to_end(client.sock) == b""
    client.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"DESCRIBE rtsp://a/stream RTSP/1.0\r\n\r\n",
        b"DESCRIBE rtsp://a/stream RTSP/1.0\r\nCSeq: -1\r\n\r\n",
        b"DESCRIBE rtsp://a/stream RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"A" * 20_000,
    ],
)
def test_garbage_ends_the_conversation_with_an_error(plain: CameraProcess, data: bytes) -> None:
    with raw(plain, "rtsp") as sock:
        answer = send_and_read(sock, data)
    assert answer[:10] in (b"RTSP/1.0 4", b""), answer

    assert decode_frames(stream_url(plain, "rtsp", VIEWER, VIEWERS_PASSWORD), frames=1).returncode == 0
