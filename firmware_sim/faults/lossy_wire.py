"""A wire that loses packets, in user space: a tun interface whose other end is this program.

Both peers are on this machine and use the wire's `near` address as their own; whoever connects to `far` gets a
connection to the same port of `near`. Each packet goes out through the interface, comes to us, is lost or comes back
with source and destination exchanged (the checksums stay right: they are sums). So the kernel's own TCP does what it
does on a bad line: it waits, sends again, and backs off.

Needs a closed network of its own (`firmware_sim.netns`) and a tun device that may be opened.
"""

import contextlib
import fcntl
import os
import random
import select
import socket
import struct
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from firmware_sim.netns import IFF_UP, SIOCGIFFLAGS, SIOCSIFADDR, SIOCSIFFLAGS, require_closed_network
from firmware_sim.qemu.errors import MachineError

NEAR, FAR = "198.18.0.1", "198.18.0.2"
"""Addresses for tests of networks (RFC 2544)."""
DEVICE = "/dev/net/tun"
NAME = b"lossy0"
# TCP doubles its wait with each one: a longer row is minutes of silence, and a test that fails by bad luck.
LOST_IN_A_ROW = 2
SIOCSIFNETMASK = 0x891C
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x1, 0x1000
MASK = "255.255.255.252"
MTU_BYTES = 65535
"""The interface's is 1500; reading with room for more can only be too generous."""
_TCP = 6
_SYN, _ACK = 0x02, 0x10


@dataclass
class Stream:
    """One connection towards one port of the far side: how many bytes of data each side has been sent, counted once.

    Attributes:
        to_camera, to_server: those bytes that have passed without a gap before them, which is all that a peer reads.
    """

    to_camera_bytes: int = 0
    to_server_bytes: int = 0
    to_camera: bytearray = field(default_factory=bytearray)
    to_server: bytearray = field(default_factory=bytearray)


class LossyWire:
    """The interface and the thread behind it; a context manager.

    Attributes:
        loss: share of the packets that get lost, in both directions, never more than LOST_IN_A_ROW together unless it
            is 1; may be changed at any time.
        lost, passed: packets so far.
    """

    def __init__(self, loss: float, seed: int | str) -> None:
        """Put the wire up.

        Raises:
            MachineError: code `open_network` outside a closed network; `missing_tool` where no tun device can be made.
        """
        require_closed_network()
        self.loss = loss
        self.lost = 0
        self.passed = 0
        self._chance = random.Random(seed)
        self._streams: dict[tuple[int, int], _Count] = {}
        try:
            self._device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise MachineError("missing_tool", f"{DEVICE}: {error.strerror}", "run as root") from error
        try:
            fcntl.ioctl(self._device, TUNSETIFF, struct.pack("16sH22x", NAME, IFF_TUN | IFF_NO_PI))
            _bring_up()
        except OSError as error:
            os.close(self._device)
            raise MachineError("missing_tool", f"no tun interface: {error.strerror}", "run as root") from error
        self._end, self._ended = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def streams(self, port: int) -> list[Stream]:
        """The connections to this port of the far side."""
        return [count.stream for (server, _), count in list(self._streams.items()) if server == port]

    def to_camera_bytes(self, port: int) -> int:
        """What came from this port of the far side: data, not packets, and what was sent again counts once."""
        return sum(stream.to_camera_bytes for stream in self.streams(port))

    def close(self) -> None:
        """Take the wire away; connections on it hang."""
        os.write(self._ended, b"x")
        self._thread.join()
        for handle in (self._device, self._end, self._ended):
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        near, far = socket.inet_aton(NEAR), socket.inet_aton(FAR)
        row = 0
        while True:
            ready, _, _ = select.select([self._device, self._end], [], [])
            if self._end in ready:
                return
            with contextlib.suppress(BlockingIOError):
                packet = os.read(self._device, MTU_BYTES)
                if packet[0] >> 4 != 4 or packet[12:20] != near + far:
                    continue  # the kernel's own chatter (IPv6 router solicitations)
                if self._chance.random() < self.loss and (row < LOST_IN_A_ROW or self.loss >= 1):
                    self.lost, row = self.lost + 1, row + 1
                    continue
                self.passed, row = self.passed + 1, 0
                self._count(packet)
                os.write(self._device, packet[:12] + far + near + packet[20:])

    def _count(self, packet: bytes) -> None:
        """Follow the sequence numbers (RFC 9293, 3.1): the highest one says how many bytes were sent, once each."""
        if packet[9] != _TCP:
            return
        head = 4 * (packet[0] & 15)
        length = struct.unpack_from("!H", packet, 2)[0]
        source, destination, sequence = struct.unpack_from("!HHI", packet, head)
        flags = packet[head + 13]
        data = packet[head + 4 * (packet[head + 12] >> 4) : length]
        key = (source, destination)
        begins = bool(flags & _SYN)
        if begins and not flags & _ACK:
            self._streams.setdefault((destination, source), _Count())  # who begins is the camera
        if key in self._streams:
            self._streams[key].take("to_camera", begins, sequence, data)
        elif (destination, source) in self._streams:
            self._streams[(destination, source)].take("to_server", begins, sequence, data)


class _Count:
    def __init__(self) -> None:
        self.stream = Stream()
        self._first: dict[str, int] = {}
        self._early: dict[str, dict[int, bytes]] = {"to_camera": {}, "to_server": {}}  # behind a gap

    def take(self, direction: str, begins: bool, sequence: int, data: bytes) -> None:
        if begins:
            self._first[direction] = sequence + 1
        elif direction in self._first and data:
            at = (sequence - self._first[direction]) % (1 << 32)
            name = direction + "_bytes"
            setattr(self.stream, name, max(at + len(data), getattr(self.stream, name)))
            self._record(direction, at, data)

    def _record(self, direction: str, at: int, data: bytes) -> None:
        recorded: bytearray = getattr(self.stream, direction)
        early = self._early[direction]
        if len(data) > len(early.get(at, b"")):
            early[at] = data
        for begin in sorted(early):
            if begin > len(recorded):
                return
            recorded += early.pop(begin)[len(recorded) - begin :]


def _bring_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        for request, address in ((SIOCSIFADDR, NEAR), (SIOCSIFNETMASK, MASK)):
            fcntl.ioctl(ours, request, struct.pack("16sHH4s16x", NAME, socket.AF_INET, 0, socket.inet_aton(address)))
        found = struct.unpack_from("H", fcntl.ioctl(ours, SIOCGIFFLAGS, struct.pack("16s24x", NAME)), 16)[0]
        fcntl.ioctl(ours, SIOCSIFFLAGS, struct.pack("16sH22x", NAME, found | IFF_UP))
