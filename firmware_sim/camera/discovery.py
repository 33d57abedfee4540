"""Answers WS-Discovery: tells whoever looks for cameras on this network segment that there is one, and its state.

WS-Discovery is a known reflector: a small question with a forged source brings a large answer to somebody else. So an
answer never leaves the segment (the kernel is told not to route it, and its TTL is 1), fits one packet, is about twice
as long as the shortest question, and there are few of them. Who is on the segment learns no more than a TLS handshake
and the claim page tell: the serial number and the hardware revision are only said by an unclaimed camera.
"""

import heapq
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from agent.formats import discovery
from agent.formats.errors import FormatError
from firmware_sim.camera.login import Login, LoginUnavailable
from firmware_sim.camera.onvif.service import SERVICE_PATH

MAX_DELAY_S = 0.5
"""Answers come at a random moment, so that a hundred cameras do not answer in the same one (WS-Discovery, 2.4)."""

MAX_ANSWER_BYTES = 1_472
"""One Ethernet packet; what would be longer echoes a MessageID that is no UUID."""

MAX_WAITING = 16
"""Answers that wait for their moment; a question more is not answered."""

ANSWERS_PER_S = 5.0
ANSWERS_AT_ONCE = 10.0
"""To all together: below 15 KB/s, whatever is forged."""

SOURCE_ANSWERS_PER_S = 0.5
SOURCE_ANSWERS_AT_ONCE = 4.0
"""To one address: every question is sent two or three times, as datagrams get lost."""

MAX_SOURCES = 64
"""Addresses remembered; behind a 65th one the limit for all is what counts."""

LOWEST_PORT = 1024
"""Of whoever asks. Below are services, which ask nothing; a forged answer to them does the most harm."""

LOOK_EVERY_S = 1.0
"""How late a stop is noticed, and an interface that has come up."""


class Bucket:
    """So many at once, and so many a second after that."""

    def __init__(self, at_once: float, per_s: float, now: float) -> None:
        self._at_once = at_once
        self._per_s = per_s
        self._left = at_once
        self._seen_at = now

    def take(self, now: float) -> bool:
        """Whether there is one more.

        Raises:
            Nothing: it only counts.
        """
        self._left = min(self._at_once, self._left + (now - self._seen_at) * self._per_s)
        self._seen_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Limits:
    """How many answers each address gets, and all of them together; bounded memory."""

    def __init__(self) -> None:
        self._all: Bucket | None = None
        self._sources: dict[str, Bucket] = {}

    def allow(self, source: str, now: float) -> bool:
        """Whether this address gets an answer now; counts it if so.

        Raises:
            Nothing: it only counts.
        """
        bucket = self._sources.pop(source, None) or Bucket(SOURCE_ANSWERS_AT_ONCE, SOURCE_ANSWERS_PER_S, now)
        self._sources[source] = bucket  # the newest last
        if len(self._sources) > MAX_SOURCES:
            del self._sources[next(iter(self._sources))]
        self._all = self._all or Bucket(ANSWERS_AT_ONCE, ANSWERS_PER_S, now)
        return bucket.take(now) and self._all.take(now)


class Answer(NamedTuple):
    """A datagram that waits for its moment."""

    at: float
    number: int
    data: bytes
    to: tuple[str, int]


def bind_discovery(address: str, port: int) -> socket.socket:
    """A bound UDP socket whose datagrams stay on the segment.

    Raises:
        OSError: the port is taken or not permitted.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def endpoint_of(certificate: bytes) -> str:
    """The camera's name in discovery: made of its TLS certificate (PEM), so it lasts until an erase and tells no more.

    Raises:
        ValueError: that is no certificate.
    """
    return _uuid(sha256(ssl.PEM_cert_to_DER_cert(certificate.decode("ascii"))).digest()[:16])


def _uuid(data: bytes) -> str:
    """`urn:uuid:` of 16 bytes, in the form for one's own purposes (RFC 9562, 5.8)."""
    text = (data[:6] + bytes([0x80 | data[6] & 0x0F, data[7], 0x80 | data[8] & 0x3F]) + data[9:]).hex()
    return "urn:uuid:" + "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Discovery:
    """One thread that hears questions and answers them."""

    def __init__(
        self,
        sock: socket.socket,
        login: Login,
        certificate: Path,
        https_port: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket = sock
        self._login = login
        self._endpoint = endpoint_of(certificate.read_bytes())
        self._https_port = https_port
        self._clock = clock
        self._limits = Limits()
        self._waiting: list[Answer] = []
        self._instance = int(time.time())
        self._number = 0
        self._joined: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="discovery", daemon=True)

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: no thread can be had.
        """
        self._thread.start()

    def stop(self) -> None:
        """End, within a second or two.

        Raises:
            Nothing: twice is once.
        """
        self._stop.set()
        self._thread.join(2 * LOOK_EVERY_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._join_groups()
            now = self._clock()
            wait = min(LOOK_EVERY_S, max(0.01, self._waiting[0].at - now)) if self._waiting else LOOK_EVERY_S
            self._socket.settimeout(wait)
            try:
                data, (source, port) = self._socket.recvfrom(discovery.MAX_PROBE_BYTES + 1)
            except OSError:
                pass  # nothing came; or an answer before found nobody (ICMP), which is told here
            else:
                self._hear(data, str(source), int(port))
            self._send_due()

    def _join_groups(self) -> None:
        """On every interface, those that came up since included. The kernel forgets those that went away."""
        there = {index for index, _ in socket.if_nameindex()}
        for index in there - self._joined:
            member = struct.pack("4s4si", socket.inet_aton(discovery.GROUP), bytes(4), index)
            try:
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            except OSError:
                there.discard(index)  # no address yet: again later
        self._joined = there

    def _hear(self, data: bytes, source: str, port: int) -> None:
        if port < LOWEST_PORT or len(self._waiting) >= MAX_WAITING:
            return
        try:
            probe = discovery.parse_probe(data)
        except FormatError:
            return
        if not self._limits.allow(source, self._clock()):
            return
        match = self._match(source, port)
        if match is None or not discovery.fits(probe, match):
            return
        self._number += 1
        message_id, sequence = _uuid(os.urandom(16)), (self._instance, self._number)
        answer = discovery.encode_matches(message_id, probe.message_id, match, sequence)
        if len(answer) > MAX_ANSWER_BYTES:
            return
        delay_s = MAX_DELAY_S * int.from_bytes(os.urandom(2), "big") / 0x10000
        heapq.heappush(self._waiting, Answer(self._clock() + delay_s, self._number, answer, (source, port)))

    def _match(self, source: str, port: int) -> discovery.Match | None:
        """What this camera says about itself; None where it has nothing to say, or no way to say it."""
        try:
            reply = self._login.ask("web", "state", source)
        except LoginUnavailable:
            return None
        state = reply.text("state")
        facts = {"state": state}
        if state == "unclaimed":
            facts |= {"serial": reply.text("serial"), "hardware": reply.text("hardware")}
        own = _own_address(source, port)
        if not reply.ok or not state or own is None:
            return None
        where = f"https://{own}{'' if self._https_port == 443 else f':{self._https_port}'}{SERVICE_PATH}"
        scopes = discovery.scopes(reply.text("model"), facts)
        return discovery.Match(self._endpoint, discovery.OUR_TYPES, scopes, (where,))

    def _send_due(self) -> None:
        while self._waiting and self._waiting[0].at <= self._clock():
            answer = heapq.heappop(self._waiting)
            try:
                self._socket.sendto(answer.data, answer.to)
            except OSError:
                pass  # not on this segment, or gone


def _own_address(source: str, port: int) -> str | None:
    """The address of ours that this one sees; None when it is not on a segment of ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        try:
            asked.connect((source, port))
        except OSError:
            return None
        return str(asked.getsockname()[0])
