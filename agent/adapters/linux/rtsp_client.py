"""A client of RTSP (RFC 2326), over TLS or not, on the loopback interface: single questions, a stream's first frame."""

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin

from agent.adapters.linux.digest_client import authorization, challenge_of
from agent.adapters.linux.http_wire import patience
from agent.adapters.linux.tls import loopback_context

ADDRESS = "127.0.0.1"
STREAM_URL = "{scheme}://127.0.0.1:{port}/stream"
MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024  # of a session description, which has some hundred
MAX_FRAME_BYTES = 8 << 20  # a picture of 40 million pixels is smaller
FRAME_WITHIN_S = 15.0  # from PLAY to the last packet of a frame
WHOLE = 3  # times as long as a service may be silent it may take altogether: for connecting, a handshake, answers
RTP_HEAD_BYTES = 12
CHANNEL = 0  # RTP; its RTCP goes over the next one

Answer = tuple[int, Mapping[str, str]]


class Rtsp:
    """One connection to a service; the body of the last answer is kept in `body`."""

    def __init__(self, port: int, source: str, certificate: "Path | None", timeout_s: float) -> None:
        """Connect.

        Args:
            port: of the service.
            source: the address to come from.
            certificate: the one that the service must show; None where it speaks in the clear.
            timeout_s: for each silence; all until the next `within` has `WHOLE` times as long.

        Raises:
            OSError: no connection, or another certificate.
        """
        self._timeout_s = timeout_s
        self.within(WHOLE * timeout_s)
        self._url = STREAM_URL.format(scheme="rtsp" if certificate is None else "rtsps", port=port)
        self._sequence = 0
        self._buffer = b""
        self.body = b""
        plain = socket.create_connection((ADDRESS, port), timeout_s, (source, 0))
        try:
            self._socket = plain if certificate is None else loopback_context(certificate).wrap_socket(plain)
        except BaseException:
            plain.close()
            raise

    def __enter__(self) -> "Rtsp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def within(self, seconds: float) -> None:
        """All that is read from now on has so long together."""
        self._ends_at = time.monotonic() + seconds

    @property
    def url(self) -> str:
        """What `ask` is about if nothing else is said."""
        return self._url

    def ask(self, method: str, login: str, url: str = "", more: Mapping[str, str] | None = None) -> Answer:
        """Status and headers of one exchange.

        Raises:
            OSError: no answer in time.
            Unavailable: it takes too long as a whole.
            ValueError: the answer is no RTSP.
        """
        self._sequence += 1
        lines = [f"{method} {url or self.url} RTSP/1.0", f"CSeq: {self._sequence}"]
        lines += [f"{name}: {value}" for name, value in (more or {}).items()]
        if login:
            lines.append("Authorization: " + login)
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        first, *rest = self._head().split("\r\n")
        words = first.split(" ")
        if words[0] != "RTSP/1.0" or len(words) < 2:
            raise ValueError("the answer is no RTSP")
        headers: dict[str, str] = {}
        for line in rest:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= MAX_BODY_BYTES:
            raise ValueError("the answer's body is too long")
        self.body = self.read(length)
        return int(words[1]), headers

    def read(self, count: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            OSError: they do not come in time.
            Unavailable: all that was read took too long.
            ValueError: the service closed the connection.
        """
        while len(self._buffer) < count:
            self._fill()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _head(self) -> str:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise ValueError("the answer is no RTSP")
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def _fill(self) -> None:
        self._socket.settimeout(patience(self._ends_at, self._timeout_s, time.monotonic))
        piece = self._socket.recv(16 * 1024)
        if not piece:
            raise ValueError("the service closed the connection")
        self._buffer += piece


def play(rtsp: Rtsp, user: str, password: str) -> int:
    """Play the stream until one whole frame has come: RTP packets of one time, none lost, up to the marker (RFC 3550).

    Returns:
        The frame's size in bytes.

    Raises:
        OSError, Unavailable: no answer, or no frame, in time.
        ValueError: an answer is a refusal or no RTSP, or what comes is no RTP.
    """
    status, headers = rtsp.ask("DESCRIBE", "")
    if status != 401:
        raise ValueError("the stream is shown without a login")
    challenge = challenge_of(headers.get("www-authenticate", ""))
    made = 0

    def ask(method: str, url: str, more: Mapping[str, str]) -> Mapping[str, str]:
        nonlocal made
        made += 1
        login = authorization(challenge, method, url, user, password, made)
        status, headers = rtsp.ask(method, login, url, more)
        if status != 200:
            raise ValueError(f"{method} was answered with {status}")
        return headers

    headers = ask("DESCRIBE", rtsp.url, {"Accept": "application/sdp"})
    base = headers.get("content-base", rtsp.url + "/")
    track = urljoin(base.replace("rtsps:", "https:", 1), _control(rtsp.body)).replace("https:", "rtsps:", 1)
    transport = {"Transport": f"RTP/AVP/TCP;unicast;interleaved={CHANNEL}-{CHANNEL + 1}"}
    session = ask("SETUP", track, transport).get("session", "").partition(";")[0]
    ask("PLAY", rtsp.url, {"Session": session, "Range": "npt=0-"})
    return _frame(rtsp)


def _control(description: bytes) -> str:
    """The first video track's own address (RFC 2326 appendix C.1.1).

    Raises:
        ValueError: there is none.
    """
    video = False
    for line in description.decode("utf-8", "replace").splitlines():
        if line.startswith("m="):
            video = line.startswith("m=video")
        elif video and line.startswith("a=control:"):
            return line[len("a=control:") :].strip()
    raise ValueError("the description has no video")


def _frame(rtsp: Rtsp) -> int:
    """Raises OSError, Unavailable, ValueError: as `play`."""
    rtsp.within(FRAME_WITHIN_S)
    ends_at = time.monotonic() + FRAME_WITHIN_S
    last: tuple[int, int] | None = None  # sequence number and time of the packet before
    size = 0
    while time.monotonic() < ends_at:
        head = rtsp.read(4)
        if head[:1] != b"$":
            raise ValueError("no RTP where a packet should be")
        packet = rtsp.read(int.from_bytes(head[2:], "big"))
        if head[1] != CHANNEL:
            continue
        if len(packet) <= RTP_HEAD_BYTES or packet[0] >> 6 != 2:
            raise ValueError("a packet is no RTP")
        sequence, at = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[4:8], "big")
        if last is not None and sequence != (last[0] + 1) & 0xFFFF:
            raise ValueError("a packet is missing")
        size = len(packet) - RTP_HEAD_BYTES + (size if last is not None and last[1] == at else 0)
        if size > MAX_FRAME_BYTES:
            raise ValueError("a frame does not end")
        if packet[1] & 0x80:
            return size
        last = (sequence, at)
    raise TimeoutError("no whole frame in time")
