"""Finds cameras: by WS-Discovery on every network interface, or at addresses that were given."""

import ipaddress
import selectors
import socket
import struct
import time
import uuid
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from agent.formats import discovery
from agent.formats.errors import FormatError
from update_server.errors import BadInput
from update_server.installer.texts import Say

HTTPS_PORT = 443
MAX_ADDRESSES = 1024
"""Of one command: four class C networks."""

MAX_CAMERAS = 4096
QUESTIONS = 3
"""Datagrams get lost; SOAP over UDP asks again."""

QUESTION_EVERY_S = 0.6


class Place(NamedTuple):
    """Where a camera may be."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Found(NamedTuple):
    """What answered.

    Attributes:
        cameras: with Camward: where, and what each says about itself (`agent.formats.discovery.told`), unproven.
        others: how many other devices answered.
    """

    cameras: dict[Place, dict[str, str]]
    others: int


def discover(seconds: float, port: int = discovery.PORT) -> Found:
    """Ask on every interface, and listen so many seconds.

    Raises:
        OSError: the system gives no socket.
    """
    sockets = _sockets()
    question = f"urn:uuid:{uuid.uuid4()}"
    cameras: dict[Place, dict[str, str]] = {}
    others: set[str] = set()
    try:
        with selectors.DefaultSelector() as selector:
            for sock in sockets:
                selector.register(sock, selectors.EVENT_READ)
            asked, begin = 0, time.monotonic()
            while (passed := time.monotonic() - begin) < seconds:
                if asked < QUESTIONS and passed >= asked * QUESTION_EVERY_S:
                    asked += 1
                    _ask(sockets, question, port)
                for key, _ in selector.select(min(0.1, seconds)):
                    _hear(key.fileobj, question, cameras, others)  # type: ignore[arg-type]
    finally:
        for sock in sockets:
            sock.close()
    return Found(cameras, len(others))


def places(texts: Iterable[str], say: Say) -> list[Place]:
    """`192.0.2.7`, `192.0.2.7:8443`, `camera.local`, `192.0.2.0/28`.

    Raises:
        BadInput: something else, or more than MAX_ADDRESSES of them.
    """
    found: list[Place] = []
    for text in texts:
        try:
            found += _places(text)
        except ValueError:
            raise BadInput(say("address_wrong", text=text, most=MAX_ADDRESSES)) from None
        if len(found) > MAX_ADDRESSES:
            raise BadInput(say("address_wrong", text=text, most=MAX_ADDRESSES))
    return list(dict.fromkeys(found))


def _places(text: str) -> list[Place]:
    if "/" in text:
        network = ipaddress.ip_network(text, strict=False)
        if network.num_addresses > MAX_ADDRESSES:
            raise ValueError("too many")
        return [
            Place(str(address), HTTPS_PORT) for address in (network.hosts() if network.num_addresses > 1 else network)
        ]
    split = urlsplit(f"//[{text}]" if text.count(":") > 1 and not text.startswith("[") else f"//{text}")
    if not split.hostname or split.netloc != f"{split.netloc}".strip() or "@" in text or "?" in text or "#" in text:
        raise ValueError("no address")
    return [Place(split.hostname, split.port or HTTPS_PORT)]


def _sockets() -> list[socket.socket]:
    """One socket for each interface that takes multicasts."""
    found = []
    for index, _ in socket.if_nameindex():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), index))
        except OSError:
            sock.close()
            continue
        sock.setblocking(False)
        found.append(sock)
    return found


def _ask(sockets: list[socket.socket], question: str, port: int) -> None:
    for sock in sockets:
        try:
            sock.sendto(discovery.encode_probe(question), (discovery.GROUP, port))
        except OSError:
            continue  # an interface without an address, or down


def _hear(sock: socket.socket, question: str, cameras: dict[Place, dict[str, str]], others: set[str]) -> None:
    try:
        data, (host, _) = sock.recvfrom(discovery.MAX_MATCHES_BYTES + 1)
        related, matches = discovery.parse_matches(data)
    except (OSError, FormatError):
        return
    for match in matches if related == question else ():
        try:
            told = discovery.told(match)
        except FormatError:
            continue
        if len(cameras) + len(others) >= MAX_CAMERAS:
            return
        if told:
            cameras[Place(host, _port(match, host))] = told
        else:
            others.add(match.endpoint)


def _port(match: discovery.Match, host: str) -> int:
    """Of its web service. An answer sends us to whoever gave it, and to nobody else."""
    for address in match.addresses:
        try:
            split = urlsplit(address)
            if split.scheme == "https" and split.hostname == host:
                return split.port or HTTPS_PORT
        except ValueError:
            continue
    return HTTPS_PORT
