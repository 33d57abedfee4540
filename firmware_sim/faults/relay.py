"""A relay in user space between a camera and one port of its server; it counts, and spoils on purpose.

It carries TCP, so it models what a line does to a connection: a rate, an end at a chosen byte, silence, a server that
is gone, and (on links without TLS) wrong bytes. It cannot lose packets, since the kernel would repair that on either
side: `firmware_sim.faults.lossy_wire` does.

A camera finds the relay where it believes the server to be: the server is told to listen on one loopback address and to
call itself by another, and the relay listens on that one.
"""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

PIECE_BYTES = 16 * 1024
"""Read at once on a fast line: one TLS record."""
TICKS_PER_S = 20
"""On a slow line, pieces are as long as what it carries in such a part of a second, so that it flows evenly."""
CONNECT_S = 10.0
"""The server is on the same machine; one that does not accept for so long is not there."""
WAIT_S = 30.0
"""Threads end at once when their sockets do; this is for a machine that hardly runs."""
Address = tuple[str, int]


@dataclass(frozen=True)
class Line:
    """What the line is like, from the moment it is laid (`Relay.lay`); byte counts begin there.

    Attributes:
        bytes_per_s: in each direction, all connections together; 0: as fast as it goes.
        cuts_at_bytes: when so many bytes have gone to the camera, every connection ends; ascending.
        silent: connections are accepted, and nothing is carried any more.
        absent: connections are refused, and open ones end.
        flips_at_byte: the bit that is wrong in this byte towards the camera; None: none. Breaks TLS.
    """

    bytes_per_s: int = 0
    cuts_at_bytes: tuple[int, ...] = ()
    silent: bool = False
    absent: bool = False
    flips_at_byte: int | None = None


GOOD = Line()


@dataclass
class Carried:
    """How many bytes one connection carried; and which ones, where the relay records.

    Attributes:
        moments: since when (monotonic seconds) how many bytes may have been at the camera; never later than they were.
    """

    to_camera_bytes: int = 0
    to_server_bytes: int = 0
    to_camera: bytearray = field(default_factory=bytearray)
    to_server: bytearray = field(default_factory=bytearray)
    moments: list[tuple[float, int]] = field(default_factory=list)


class Relay:
    """One listener and the threads that carry; a context manager.

    Attributes:
        carried: every connection so far, in order; the counts go on while it is open.
        cuts: how often the line was cut.
    """

    def __init__(self, listen: Address, server: Address, line: Line = GOOD, *, records: bool = False) -> None:
        """Listen on `listen` (port 0: any), and carry what comes to `server`; keep it all, where it `records`.

        Raises:
            OSError: the address cannot be listened on.
        """
        self.carried: list[Carried] = []
        self.cuts = 0
        self._server = server
        self._records = records
        self._lock = threading.Lock()
        self._line = line
        self._laid_bytes = 0  # to the camera since the line was laid
        self._free_at = {"to_camera": 0.0, "to_server": 0.0}
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._listener = socket.create_server(listen)
        self.address: Address = self._listener.getsockname()[:2]
        self._start(self._accept)

    def lay(self, line: Line) -> None:
        """Use this line from now on; open connections stay, unless it is absent."""
        with self._lock:
            self._line = line
            self._laid_bytes = 0
        if line.absent:
            self.hang_up()

    def to_camera_bytes(self) -> int:
        """All bytes so far towards the camera, on all connections."""
        with self._lock:
            return sum(one.to_camera_bytes for one in self.carried)

    def recordings(self) -> list[tuple[bytes, bytes, list[tuple[float, int]]]]:
        """Of each connection so far: what went to the camera, what went to the server, and the moments."""
        with self._lock:
            return [(bytes(one.to_camera), bytes(one.to_server), list(one.moments)) for one in self.carried]

    def hang_up(self) -> None:
        """End every connection, as a server that goes down does."""
        with self._lock:
            ended = list(self._open)
        for end in ended:
            with contextlib.suppress(OSError):
                # Without lingering: the peer sees a reset, not a polite end.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything. Safe to repeat."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def _start(self, work: "object", *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _is_absent(self) -> bool:
        return self._line.absent

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                camera, _ = self._listener.accept()
            except OSError:
                return
            if self._is_absent():
                camera.close()
                continue
            try:
                server = socket.create_connection(self._server, CONNECT_S)
            except OSError:
                camera.close()
                continue
            server.settimeout(None)
            carried = Carried()
            with self._lock:
                absent = self._is_absent()  # laid since: what it ended did not know of this connection
                if not absent:
                    self.carried.append(carried)
                    self._open |= {camera, server}
            if absent:
                camera.close()
                server.close()
                continue
            pair = _Pair(camera, server)
            self._start(self._carry, pair, camera, server, carried, "to_server")
            self._start(self._carry, pair, server, camera, carried, "to_camera")

    def _carry(
        self, pair: "_Pair", source: socket.socket, sink: socket.socket, carried: Carried, direction: str
    ) -> None:
        try:
            while piece := source.recv(self._piece_bytes()):
                while self._line.silent and not self._over.wait(1 / TICKS_PER_S):
                    pass
                self._wait_for_turn(len(piece), direction)
                piece, cut = self._spoil(piece, direction)
                at = time.monotonic()
                sink.sendall(piece)
                self._count(carried, direction, piece, at)
                if cut:
                    self._cut()
                    return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side has gone; the other one is told below
        finally:
            if pair.ended():
                with self._lock:
                    self._open -= {pair.camera, pair.server}
                pair.close()

    def _piece_bytes(self) -> int:
        rate = self._line.bytes_per_s
        return max(1, min(PIECE_BYTES, rate // TICKS_PER_S)) if rate else PIECE_BYTES

    def _wait_for_turn(self, length: int, direction: str) -> None:
        """Wait until a line of this rate could have taken these bytes."""
        rate = self._line.bytes_per_s
        if not rate:
            return
        with self._lock:
            begin = max(self._free_at[direction], time.monotonic())
            self._free_at[direction] = end = begin + length / rate
        self._over.wait(max(0.0, end - time.monotonic()))

    def _spoil(self, piece: bytes, direction: str) -> tuple[bytes, bool]:
        """What of this piece arrives, and whether the line is cut after it."""
        if direction == "to_server":
            return piece, False
        with self._lock:
            line, at = self._line, self._laid_bytes
            cut = bool(line.cuts_at_bytes) and at + len(piece) >= line.cuts_at_bytes[0]
            if cut:
                piece = piece[: max(0, line.cuts_at_bytes[0] - at)]
                self._line = replace(line, cuts_at_bytes=line.cuts_at_bytes[1:])
                self.cuts += 1
            self._laid_bytes += len(piece)
        wrong = None if line.flips_at_byte is None else line.flips_at_byte - at
        if wrong is not None and 0 <= wrong < len(piece):
            piece = piece[:wrong] + bytes([piece[wrong] ^ 1]) + piece[wrong + 1 :]
        return piece, cut

    def _count(self, carried: Carried, direction: str, piece: bytes, at: float) -> None:
        with self._lock:
            if direction == "to_camera":
                carried.to_camera_bytes += len(piece)
                carried.moments.append((at, carried.to_camera_bytes))
            else:
                carried.to_server_bytes += len(piece)
            if self._records:
                recorded = carried.to_camera if direction == "to_camera" else carried.to_server
                recorded += piece

    def _cut(self) -> None:
        with self._lock:
            ended = list(self._open)
        for end in ended:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # what was carried before still arrives


class _Pair:
    """Both ends of one connection, closed when both directions have ended."""

    def __init__(self, camera: socket.socket, server: socket.socket) -> None:
        self.camera = camera
        self.server = server
        self._left = 2
        self._lock = threading.Lock()

    def ended(self) -> bool:
        """One direction has ended; whether it was the second one. A half-open connection serves nobody here."""
        with self._lock:
            self._left -= 1
        for end in (self.camera, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return not self._left

    def close(self) -> None:
        self.camera.close()
        self.server.close()
