"""Serves the release that runs to the other cameras of the fleet: HTTPS, mutual TLS, and a bound on everything.

A stranger on the network gets a TLS handshake and, without a device certificate by the fleet's CA, nothing after it. A
neighbour gets ranges of two files (agent.core.sharing). The connections are served by threads of their own, at most
`Bounds.connections`; whoever comes when all are taken is hung up on, and asks the operator's server.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agent.adapters.linux.dates import Dates, by_the_system
from agent.adapters.linux.tls import client_context, server_context
from agent.core import sharing
from agent.core.allowance import Pace
from agent.formats import range_request
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES, leaves_of
from agent.formats.errors import FormatError, Unavailable
from agent.formats.running import Running
from agent.ports.storage import BlockDevice

PIECE_BLOCKS = 16  # 64 KiB: what one connection holds in memory while it is sent
BACKLOG = 4
RETRY_AFTER_S = 3600  # of a camera that has nothing to offer: in an hour somebody may have looked at it
ANY_HOST = ""
LOOPBACK = "127.0.0.1"


class Bounds(NamedTuple):
    """What all neighbours together may cost this camera, which has pictures to send."""

    connections: int = 4
    accept_every_s: float = 0.1  # a handshake costs the slowest camera some 30 ms
    handshake_s: float = 5.0
    head_s: float = 10.0  # until a request has come, the wait for it included
    stall_s: float = 10.0  # in which 16 KiB (a record of TLS) have to leave
    connection_s: float = 600.0  # a neighbour that wants more connects again
    max_bytes_per_s: int = 4 * 1024 * 1024  # a third of a 100 Mbit/s line


BOUNDS = Bounds()


class Offer(NamedTuple):
    """What is served: where it lies on the disk, and its block tree."""

    running: Running
    offset_bytes: int
    leaves: bytes


class HttpsNeighbourServer:
    """`agent.ports.network.NeighbourServer`."""

    def __init__(
        self,
        device: BlockDevice,
        certificate: Path,
        key: Path,
        failed: Callable[[BaseException], None],
        dates: Callable[[], Dates] = by_the_system,
        bounds: Bounds = BOUNDS,
        clock: Callable[[], float] = time.monotonic,
        host: str = ANY_HOST,
    ) -> None:
        """Nothing is opened yet.

        Args:
            device: the disk; only read.
            certificate: file of the device's certificate, read at each connection (renewal).
            key: file of its key.
            failed: called on the connection's thread with what only a bug of ours raises.
            dates: judge the neighbours' certificates.
            bounds: what it may cost.
            clock: monotonic seconds.
            host: address to listen on.
        """
        self._device = device
        self._files = certificate, key
        self._failed = failed
        self._dates = dates
        self._bounds = bounds
        self._clock = clock
        self._host = host
        self._offer: Offer | None = None
        self._listener: socket.socket | None = None
        self._whose = ("", "")  # CA and device id
        self._places = threading.BoundedSemaphore(bounds.connections)
        self._pace = Pace(bounds.max_bytes_per_s)
        self._pace_lock = threading.Lock()
        self._over = threading.Event()
        self.sent_bytes = 0
        """Of bodies, to all neighbours."""

    def offer(self, running: Running, offset_bytes: int, leaves: bytes) -> None:
        """See `NeighbourServer.offer`."""
        self._offer = Offer(running, offset_bytes, leaves)

    def offers(self) -> bool:
        """See `NeighbourServer.offers`."""
        return self._offer is not None and self._listener is not None

    @property
    def port(self) -> int:
        """The TCP port that is open; 0 while none is."""
        return 0 if self._listener is None else self._listener.getsockname()[1]

    def open(self, port: int, ca_pem: str, device_id: str) -> None:
        """See `NeighbourServer.open`.

        Raises:
            FormatError: the CA does not parse.
            Unavailable: the port cannot be had, or the device's certificate cannot be read.
        """
        server_context(ca_pem, *self._files, self._dates)
        self._whose = ca_pem, device_id
        if self._listener is not None:
            return
        try:
            self._listener = self._listen(port)
        except OSError as error:
            raise Unavailable(f"port {port}: {error.strerror}") from error
        self._over.clear()
        threading.Thread(target=self._accept, args=(self._listener,), name="camward-neighbours", daemon=True).start()

    def close(self) -> None:
        """See `NeighbourServer.close`."""
        self._offer = None
        self._over.set()
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def probe(self) -> list[dict[str, object]]:
        """For evidence, on the loopback interface: what TLS is spoken, and what a stranger without certificate gets.

        `[{"service", "port", "tls", "version", "anonymous"}]`, empty while nothing is open. May block for seconds.
        """
        port, (ca_pem, device_id) = self.port, self._whose
        if not port:
            return []
        found: dict[str, object] = {"service": "neighbours", "port": port, "tls": False, "version": ""}
        with (
            contextlib.suppress(OSError, Unavailable),
            socket.create_connection((LOOPBACK, port), self._bounds.handshake_s) as plain,
            client_context(ca_pem, *self._files, self._dates, device_id).wrap_socket(plain) as connection,
        ):
            found["tls"], found["version"] = True, connection.version() or ""
        found["anonymous"] = self._stranger(port, client_context(ca_pem, dates=self._dates, device=device_id))
        return [found]

    def _stranger(self, port: int, context: ssl.SSLContext) -> str:
        try:
            with (
                socket.create_connection((LOOPBACK, port), self._bounds.handshake_s) as plain,
                context.wrap_socket(plain) as connection,
            ):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: camera\r\nRange: bytes=0-0\r\n\r\n")
                return "in" if connection.recv(1) else "refused"
        except TimeoutError:
            return "silent"
        except OSError:  # TLS says that a certificate is required, or the connection is reset behind that
            return "refused"

    def _listen(self, port: int) -> socket.socket:
        if not self._host and socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):  # a kernel that knows IPv6, and has it switched off
                return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        return socket.create_server((self._host, port), backlog=BACKLOG)

    # On threads of their own

    def _accept(self, listener: socket.socket) -> None:
        bounds = self._bounds
        while not self._over.wait(bounds.accept_every_s):
            try:
                raw, _ = listener.accept()
            except OSError:
                continue  # closed, and then over; or out of descriptors for a moment
            if not self._places.acquire(blocking=False):
                raw.close()
                continue
            try:
                threading.Thread(target=self._converse, args=(raw,), name="camward-neighbour", daemon=True).start()
            except RuntimeError:  # no thread to be had now
                raw.close()
                self._places.release()

    def _converse(self, raw: socket.socket) -> None:
        try:
            with raw, contextlib.suppress(OSError, Unavailable, FormatError):
                raw.settimeout(self._bounds.handshake_s)
                until = self._clock() + self._bounds.connection_s
                context = server_context(self._whose[0], *self._files, self._dates)
                with context.wrap_socket(raw, server_side=True) as connection:
                    while self._clock() < until and self._answer(connection, until):
                        pass
        except BaseException as error:  # noqa: BLE001 (handed to the main thread, which ends the process)
            self._failed(error)
        finally:
            self._places.release()

    def _answer(self, connection: ssl.SSLSocket, until: float) -> bool:
        """One request and its answer; whether another one may follow.

        Raises:
            FormatError: what came is no request; it gets no answer.
            OSError: the connection broke, or the neighbour is too slow.
        """
        head = self._head(connection)
        if not head:
            return False
        asked = range_request.parse(head)
        offer = self._offer
        wanted = None if offer is None else sharing.part(offer.running, asked)
        connection.settimeout(self._bounds.stall_s)
        if offer is not None and wanted is None:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return not asked.close
        piece = b"" if offer is None or wanted is None else self._piece(offer, wanted, wanted.first)
        if offer is None or wanted is None or not piece:
            connection.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n" % RETRY_AFTER_S
            )
            return not asked.close
        connection.sendall(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n"
            b"Content-Type: application/octet-stream\r\n\r\n"
            % (wanted.first, wanted.end - 1, wanted.whole, wanted.end - wanted.first)
        )
        at = wanted.first
        while piece:
            connection.sendall(piece)
            at += len(piece)
            if self._wait_for_the_pace(len(piece)) or self._clock() >= until:
                return False
            if at >= wanted.end:
                return not asked.close
            piece = self._piece(offer, wanted, at)
        return False  # cut off before a block that is not as it was signed

    def _head(self, connection: ssl.SSLSocket) -> bytes:
        """The head of the next request; empty where the neighbour has nothing more to ask.

        Raises:
            FormatError: it is too long, or goes on behind its end.
            TimeoutError: it does not come in time.
        """
        head, deadline = b"", self._clock() + self._bounds.head_s
        while range_request.END not in head:
            left_s = deadline - self._clock()
            if left_s <= 0:
                raise TimeoutError("no request comes")
            connection.settimeout(left_s)
            piece = connection.recv(range_request.MAX_HEAD_BYTES)
            if not piece:
                return b""
            head += piece
            if len(head) > range_request.MAX_HEAD_BYTES:
                raise FormatError("a head that does not end")
        return head

    def _piece(self, offer: Offer, wanted: sharing.Part, at: int) -> bytes:
        """The next verified bytes from `at` on; none when they are not as they were signed, or cannot be read."""
        if wanted.what == sharing.TREE:
            return offer.leaves[at : min(wanted.end, at + PIECE_BLOCKS * BLOCK_BYTES)]
        first, count = sharing.blocks(at, wanted.end, PIECE_BLOCKS)
        begin = first * BLOCK_BYTES
        try:
            data = self._device.read(offer.offset_bytes + begin, count * BLOCK_BYTES)
        except Unavailable:
            data = b""
        if leaves_of(data) != offer.leaves[first * HASH_BYTES : (first + count) * HASH_BYTES]:
            if self._offer is offer:
                self._offer = None
            return b""
        return data[at - begin : wanted.end - begin]

    def _wait_for_the_pace(self, count_bytes: int) -> bool:
        """Keep to the rate of all connections together; true when everything is over."""
        with self._pace_lock:
            self.sent_bytes += count_bytes
            wait_s = self._pace.took(self._clock(), count_bytes)
        return self._over.wait(wait_s)
