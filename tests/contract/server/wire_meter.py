"""Counts what goes over the loopback interface as a line would carry it: IPv4 packets, headers and acknowledgements.

It listens to the kernel's own packets, which takes a network namespace of one's own (firmware_sim.netns). Loopback
carries in one packet what a line carries in several: such a packet counts as so many as it would be.
"""

import socket
import struct
import threading
import time
from typing import NamedTuple

MSS_BYTES = 1348  # of a mobile line with IPv6 or a tunnel in between; a smaller one costs more
_IP, _TCP, _INCOMING = 0x0800, 6, 0
QUIET_S = 0.5  # an acknowledgement is delayed by 0.04 s at most


class Packet(NamedTuple):
    """One packet: which port of the server, which of its client, whether towards the server, and what it carries."""

    server_port: int
    client_port: int
    is_up: bool
    size_bytes: int
    payload_bytes: int


class Meter:
    """Every TCP packet from and to some ports, from now on; a context manager."""

    def __init__(self, *ports: int) -> None:
        self.packets: list[Packet] = []
        self._ports = set(ports)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(_IP))
        self._socket.settimeout(0.1)
        self._over = False
        self._last_at = time.monotonic()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._over:
            try:
                data, address = self._socket.recvfrom(65_536)
            except TimeoutError:
                continue
            header = (data[0] & 15) * 4
            if address[2] != _INCOMING or data[9] != _TCP:  # each packet of the loopback interface is seen twice
                continue
            source, target = struct.unpack("!HH", data[header : header + 4])
            size = struct.unpack("!H", data[2:4])[0]
            payload = size - header - (data[header + 12] >> 4) * 4
            for server, client, is_up in ((target, source, True), (source, target, False)):
                if server in self._ports:
                    self.packets.append(Packet(server, client, is_up, _as_carried(size, payload), payload))
                    self._last_at = time.monotonic()

    def settle(self) -> None:
        """Wait until nothing has gone by for a while."""
        while time.monotonic() < self._last_at + QUIET_S:
            time.sleep(0.05)

    def mark(self) -> int:
        """Where to begin to count, once it is quiet."""
        self.settle()
        return len(self.packets)

    def since(self, mark: int, server_port: int, client_port: int | None = None) -> int:
        """Bytes from a mark on between a port of the server and one of its clients, or all of them."""
        self.settle()
        return sum(
            one.size_bytes
            for one in self.packets[mark:]
            if one.server_port == server_port and client_port in {None, one.client_port}
        )


def _as_carried(size: int, payload: int) -> int:
    """A long packet as several, with an acknowledgement for every second of those that are more."""
    header = size - payload
    more = max(0, -(-payload // MSS_BYTES) - 1)
    return size + more * header + (more + 1) // 2 * header
