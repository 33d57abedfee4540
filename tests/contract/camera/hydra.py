"""Debian's hydra against a camera, through a relay that speaks to hydra as cameras did when it was written.

hydra 9.4 knows no digest but MD5 and looks at the first challenge alone; on RTSP it computes with qop but does not send
it, and knows a right password by `404 Stream Not Found`; a form that answers 401 is none, and 429 is an error to it.
None of that keeps an attacker out, so the relay takes it away: it ends TLS, leaves the other challenges and RTSP's
qop out, and words status lines anew. Passwords, digests and verdicts pass untouched.
"""

import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from firmware_sim.attacks.first_use_tls import UnsafeFirstUseTls
from tests.contract.listening import Listening

HYDRA_WITHIN_S = 120.0
PATIENT_S = 4
"""Until the first longer delay, the relay sits delays out, and hydra's next try is judged. The rest of a list is over
while that longer one runs."""

FORM = r'/api/login:{"user"\:"^USER^","password"\:"^PASS^"}:H=Content-Type\: application/json:g=:F="ok"\: false'
WAYS = {
    "form": ("https", "http-post-form", FORM),
    "digest": ("https", "http-get", "/snapshot.jpg"),
    "stream": ("rtsps", "rtsp", ""),
}
"""Listener of the camera, module of hydra and its argument, by the way in."""

Pair = tuple[str, str]
_FOUND = re.compile(r"^\[\d+\]\[[a-z-]+\] host: \S+ +login: (\S+) +password: (\S+)$", re.MULTILINE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
_CHALLENGE = re.compile(rb"\r\nWWW-Authenticate: Digest [^\r]*algorithm=MD5[^\r]*")
_OTHER_CHALLENGES = re.compile(rb"\r\nWWW-Authenticate: (?!Digest [^\r]*algorithm=MD5)[^\r]*")


@dataclass
class Attack:
    """What hydra found, and the camera's status for each try that carried a password."""

    found: list[Pair]
    statuses: list[int]


class Relay(Listening):
    """Listens without TLS; goes to the camera's port with TLS, from `source`."""

    silence_s = HYDRA_WITHIN_S

    def __init__(self, camera_port: int, source: str) -> None:
        self.statuses: list[int] = []
        self._camera_port, self._source = camera_port, source
        self._patient, self._challenge = True, b""
        self._tls = UnsafeFirstUseTls().context("127.0.0.1", camera_port)
        super().__init__()

    def converse(self, client: socket.socket) -> None:
        while request := _message(client):
            answer = self._asked(request)
            if request.startswith(b"POST ") or b"\r\nAuthorization: Digest " in request:
                self.statuses.append(int(answer.split()[1]))
            self._sit_out(answer)
            client.sendall(self._as_hydra_knows_it(answer))
            if request.startswith(b"POST "):
                return  # hydra reads to the end of the connection

    def _asked(self, request: bytes) -> bytes:
        """On a connection of its own: the camera ends those of who has to wait, and hydra takes long to come again."""
        with (
            socket.create_connection(("127.0.0.1", self._camera_port), 30, source_address=(self._source, 0)) as plain,
            self._tls.wrap_socket(plain) as camera,
        ):
            camera.sendall(request)
            return _message(camera)

    def _sit_out(self, answer: bytes) -> None:
        delay = _RETRY.search(answer)
        if delay:
            self._patient = self._patient and int(delay[1]) <= PATIENT_S
            sleep(int(delay[1]) + 0.1 if self._patient else 0)

    def _as_hydra_knows_it(self, answer: bytes) -> bytes:
        version, status, rest = answer.split(b" ", 2)
        if version == b"RTSP/1.0":
            answer = answer.replace(b"404 Not Found", b"404 Stream Not Found", 1).replace(b' qop="auth",', b"")
        challenge = _CHALLENGE.search(answer)
        if version == b"HTTP/1.1" and status == b"401" and not challenge:
            answer = answer.replace(b"401 Unauthorized", b"200 OK", 1)
        if challenge:
            self._challenge = challenge[0]
        if _RETRY.search(answer):  # hydra goes on to its next pair when it sees a challenge
            answer = version + b" 401 Unauthorized" + self._challenge + b"\r\n" + rest.partition(b"\r\n")[2]
        return _OTHER_CHALLENGES.sub(b"", answer)


def _message(sock: socket.socket) -> bytes:
    """A head and its body; hydra ends a request with one empty line too many."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65_536)
        if not piece:
            return b""
        data = (data + piece).lstrip(b"\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    found = _LENGTH.search(head)
    length = int(found[1]) if found else 0
    while len(body) < length:
        piece = sock.recv(65_536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body[:length]


def hydra(way: str, ports: dict[str, int], source: str, pairs: Sequence[Pair], folder: Path) -> Attack:
    """Have hydra try the pairs one after the other, and stop at the first that it believes in.

    Raises:
        AssertionError: hydra did not come to the end of its list.
    """
    listener, module, argument = WAYS[way]
    (folder / "pairs").write_text("".join(f"{user}:{password}\n" for user, password in pairs))
    with Relay(ports[listener], source) as relay:
        command = ["hydra", "-I", "-f", "-t", "1", "-C", "pairs", "-s", str(relay.port), "127.0.0.1", module]
        done = subprocess.run(
            [*command, *([argument] if argument else [])],
            cwd=folder, capture_output=True, text=True, check=False, timeout=HYDRA_WITHIN_S,
        )  # fmt: skip
    assert "1 of 1 target" in done.stdout, done
    return Attack(_FOUND.findall(done.stdout), relay.statuses)
