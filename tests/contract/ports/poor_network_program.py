"""A camera's link in a network namespace of its own: networks that come back, name servers that do what they like.

Run as `... CASE FOLDER` (see CASES); prints one JSON line. The folder is for certificates.
"""

import contextlib
import fcntl
import json
import os
import queue
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from agent.adapters.linux import link as links
from agent.adapters.linux import mqtt_client
from agent.adapters.linux.dialing import resolve
from agent.adapters.linux.link import PahoLink
from firmware_sim.netns import SIOCSIFADDR, require_closed_network
from tests.contract.ports.hostile_broker import HostileBroker
from tests.contract.ports.tls_server import certificate

HOST, AWAY = "broker.example", "203.0.113.7"
WAIT_S = 15.0
FAR_S = 300.0  # the delay between two attempts, unless something shortens it
A, AAAA = 1, 28
SERVFAIL = 2


def give_address(address):
    """The network comes back: this machine has an address there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        request = struct.pack("16sHH4s16x", b"lo:9", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(ours, SIOCSIFADDR, request)


def answer(question, says):
    """A DNS answer (RFC 1035, 4) with what `says` has for its type: bytes of an address, an error code, or nothing."""
    at = 12
    while question[at]:
        at += 1 + question[at]
    kind = int.from_bytes(question[at + 1 : at + 3], "big")
    found = says.get(kind, b"")
    if found is None:
        return b""
    asked = question[12 : at + 5]
    code, count = (found, 0) if isinstance(found, int) else (0, 1 if found else 0)
    head = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(found)) + found if count else b""
    return head + asked + record


def name_server(says):
    """Answer on 127.0.0.1; a type that is None gets no answer."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve():
        while True:
            question, who = server.recvfrom(512)
            reply = answer(question, says)
            if reply:
                server.sendto(reply, who)

    threading.Thread(target=serve, daemon=True).start()


class Camera:
    def __init__(self, folder, names):
        self.ca = certificate(folder, "server", AWAY, names=names)
        certificate(folder, "device", "127.0.0.1")
        self.broker = HostileBroker(folder, lambda connection, _: time.sleep(10 * WAIT_S), host="0.0.0.0")
        self.events = queue.SimpleQueue()
        self.link = PahoLink(folder / "device.pem", folder / "device.key", self.events.put)

    def open(self, host=HOST):
        self.link.open(host, self.broker.port, self.ca, "a" * 26, ())

    def happens(self, within_s=WAIT_S):
        """("down", code) or ("up",), and after how many seconds; None if nothing does."""
        begun = time.monotonic()
        with contextlib.suppress(queue.Empty):
            event = self.events.get(timeout=within_s)
            return [*event[::2], time.monotonic() - begun]
        return None


def cable(camera, hears):
    """No network to the broker, and then there is one; `hears`: whether the agent is told by the kernel."""
    links.MIN_DELAY_S = FAR_S
    if not hears:
        mqtt_client.network_news = lambda: None
    camera.open(AWAY)
    found = [camera.happens()]
    time.sleep(1)  # it waits by now
    give_address(AWAY)
    return [*found, camera.happens()]


def names(camera, *stages):
    """The name server says one thing after the other; the link's first word in each, and how long asking took."""
    links.FIRST_DELAY_S = links.MIN_DELAY_S = 0.01
    says = {}
    name_server(says)
    found = []
    for stage in stages:
        says.clear()
        says.update(stage)
        begun = time.monotonic()
        with contextlib.suppress(socket.gaierror):
            resolve(HOST, 1)
        asking_s = time.monotonic() - begun
        if not found:
            camera.open()
        event = camera.happens(4 * WAIT_S)
        while found and event and event[:-1] == found[0][:-1]:  # of before: it was asked already
            event = camera.happens(4 * WAIT_S)
        found.append([*(event or [None])[:-1], asking_s])
    return found


HERE = socket.inet_aton("127.0.0.1")
CASES = {
    "cable": lambda camera: cable(camera, hears=True),
    "cable, unheard": lambda camera: cable(camera, hears=False),
    "silent, then right": lambda camera: names(camera, {A: None, AAAA: None}, {A: HERE}),
    "failing, then right": lambda camera: names(camera, {A: SERVFAIL, AAAA: SERVFAIL}, {A: HERE}),
    "no such name, then right": lambda camera: names(camera, {}, {A: HERE}),
    "AAAA unanswered": lambda camera: names(camera, {A: HERE, AAAA: None}),
    "AAAA failing": lambda camera: names(camera, {A: HERE, AAAA: SERVFAIL}),
    "AAAA leads nowhere": lambda camera: names(
        camera, {A: HERE, AAAA: socket.inet_pton(socket.AF_INET6, "2001:db8::9")}
    ),
}


if __name__ == "__main__":
    require_closed_network()
    case = sys.argv[1]
    camera = Camera(Path(sys.argv[2]), () if case.startswith("cable") else (HOST,))
    print(json.dumps(CASES[case](camera)), flush=True)
    os._exit(0)  # what waits here would wait on
