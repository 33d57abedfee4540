"""Listening sockets and the connections behind them, bounded in number and in time.

One thread (`Doorkeeper.run`) accepts for every listener and closes what has outlived its deadline; each connection
has a thread of its own. A client that dribbles bytes, stalls a handshake or never reads cannot hold more than its
place, and not for long.
"""

import contextlib
import os
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from firmware_sim.camera.messages import HEAD_END, MAX_HEAD_BYTES, RequestError

HANDSHAKE_WITHIN_S = 15.0
"""TLS handshake: an emulated camera takes about 0.2 s of CPU for one, and eight may queue."""

DRAIN_WITHIN_S = 2.0
"""How long a refused client may go on sending into the void."""

MAX_DRAIN_READS = 64
"""Reads of 8 KiB: half a megabyte."""

SWEEP_EVERY_S = 0.5
"""How late a connection past its deadline may be closed."""

OWN_PLACES = 2
"""Of every listener's places: for programs on the camera itself. Strangers who take all others cannot make the agent
believe that a service is dead, and a new firmware with it."""

STOP, TURN, MAX_WAKE_BYTES = b"x", b"t", 4096
"""What wakes the doorkeeper, and how much of it is read at once."""

BACKLOG = 16
"""Connections the kernel may hold before they are accepted."""

THREAD_STACK_BYTES = 512 * 1024
"""A connection's thread needs about 100 KiB; the default of 8 MiB is only address space, but a lot of it on 32 bit."""


class ConnectionEnded(Exception):
    """The client went away, or was sent away: there is nobody left to answer."""


class Connection:
    """One client.

    Bounded reads from a buffer, whole writes, and the deadline by which the present step must be done.
    """

    def __init__(self, sock: socket.socket, source: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self._socket = sock
        self._clock = clock
        self._buffer = b""
        self.deadline_at = clock() + HANDSHAKE_WITHIN_S

    def allow(self, seconds: float) -> None:
        """The next steps may take this long together; afterwards the doorkeeper closes the connection.

        Raises:
            Nothing: only a number is kept.
        """
        self.deadline_at = self._clock() + seconds

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the server's side of a TLS handshake.

        Raises:
            ConnectionEnded: the handshake failed.
        """
        try:
            self._socket = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
            self._socket.do_handshake()
        except OSError as error:
            raise ConnectionEnded("TLS handshake") from error

    @property
    def encrypted(self) -> bool:
        """Whether TLS carries this connection."""
        return isinstance(self._socket, ssl.SSLSocket)

    def read_head(self) -> bytes:
        """Everything up to an empty line, which is taken and left out.

        Raises:
            RequestError: 431, the head is longer than MAX_HEAD_BYTES.
            ConnectionEnded: the client closed first.
        """
        while HEAD_END not in self._buffer:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise RequestError(431, "the request head is too long")
            self._fill()
        head, _, self._buffer = self._buffer.partition(HEAD_END)
        return head

    def read_exactly(self, count: int) -> bytes:
        """Exactly this many bytes.

        Raises:
            ConnectionEnded: the client closed first.
        """
        while len(self._buffer) < count:
            self._fill()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def peek(self) -> bytes:
        """The first byte not yet read, waiting for it.

        Raises:
            ConnectionEnded: the client closed first.
        """
        if not self._buffer:
            self._fill()
        return self._buffer[:1]

    def waiting(self, seconds: float) -> bool:
        """Whether bytes come within this time; true as well when the client closed.

        Raises:
            ConnectionEnded: the connection was closed from this side.
        """
        if self._buffer:
            return True
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._socket, selectors.EVENT_READ)
            except ValueError as error:
                raise ConnectionEnded("closed") from error
            return bool(selector.select(max(0.0, seconds)))

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            ConnectionEnded: the client went away or did not read before the deadline.
        """
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ConnectionEnded("write") from error

    def drain(self) -> None:
        """Say no more, and drop what the client still sends: closing at once would destroy the answer on its way.

        The source is RFC 9112 section 9.6.

        Raises:
            ConnectionEnded: the client closed, or the doorkeeper did: the usual end.
        """
        self.allow(DRAIN_WITHIN_S)
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
        for _ in range(MAX_DRAIN_READS):
            self._buffer = b""
            self._fill()

    def interrupt(self) -> None:
        """Wake the connection's own thread out of any wait; callable from another thread.

        Raises:
            Nothing: a socket already gone is what was wanted.
        """
        with contextlib.suppress(OSError):
            # Not SSLSocket.shutdown: it forgets the TLS session, and the owner's next send would be in the clear.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close for good; called by the connection's own thread.

        Raises:
            Nothing: a socket already gone is what was wanted.
        """
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        self._socket.close()

    def _fill(self) -> None:
        try:
            piece = self._socket.recv(8_192)
        except OSError as error:
            raise ConnectionEnded("read") from error
        if not piece:
            raise ConnectionEnded("end of stream")
        self._buffer += piece


class Door(NamedTuple):
    """One listener.

    Attributes:
        name: for messages.
        sock: bound, not yet listening.
        serve: talks to one client until it is done; runs in the client's thread.
        tls: context when the listener speaks TLS.
        limit: connections at once, OWN_PLACES among them; one more is closed unanswered.
        opens: whether it opens with the others, or only when it is turned. Of several such doors with one name each
            serves for one opening: a closed socket cannot be bound again without root.
    """

    name: str
    sock: socket.socket
    serve: Callable[[Connection], None]
    tls: ssl.SSLContext | None
    limit: int
    opens: bool = True


def has_place(source: str, taken: int, limit: int) -> bool:
    """Whether one more client from this address may come in where so many places are taken.

    Raises:
        Nothing: it only counts. Packets with a loopback source never arrive from a network.
    """
    own = source.startswith("127.") or source == "::1"
    return taken < (limit if own else limit - OWN_PLACES)


def bind(address: str, port: int) -> socket.socket:
    """A bound TCP socket that does not listen yet, so that clients see a closed port until everything is ready.

    Raises:
        OSError: the port is taken or not permitted.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


class Doorkeeper:
    """Accepts at every door, one thread for each guest, and shows out whoever has overstayed."""

    def __init__(self, doors: list[Door]) -> None:
        self._doors = list(doors)
        self._guests: dict[Connection, Door] = {}
        self._wanted = {door.name: door.opens for door in doors}
        self._listening: list[Door] = []
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()

    def stop(self) -> None:
        """Make `run` return; safe in a signal handler and from any thread.

        Raises:
            OSError: after `run` has returned and closed everything.
        """
        os.write(self._wake_write, STOP)

    def turn(self, name: str, wanted: bool) -> None:
        """Have the door of this name opened, or closed with everybody shown out; from any thread, done soon after.

        When the last door of the name was used up before, `run` returns instead: the next process has new ones.

        Raises:
            OSError: after `run` has returned and closed everything.
        """
        with self._lock:
            self._wanted[name] = wanted
        os.write(self._wake_write, TURN)

    def listen(self) -> None:
        """Open the doors that open by themselves.

        Raises:
            OSError: the system refuses.
        """
        threading.stack_size(THREAD_STACK_BYTES)
        for door in self._doors:
            if door.opens:
                self._open(door)

    def guests(self, names: tuple[str, ...]) -> int:
        """How many are in by the doors of these names."""
        with self._lock:
            return sum(1 for door in self._guests.values() if door.name in names)

    def run(self) -> None:
        """Serve until `stop`; then close every connection and listener.

        Raises:
            OSError: the selector failed: nothing can be served any more.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ, None)
            for door in self._listening:
                selector.register(door.sock, selectors.EVENT_READ, door)
            while True:
                with self._lock:
                    wait = SWEEP_EVERY_S if self._guests else None
                said = b""
                for key, _ in selector.select(wait):
                    if key.data is None:
                        said = os.read(self._wake_read, MAX_WAKE_BYTES)
                    else:
                        self._accept(key.data)
                if STOP in said or not self._turned(selector, said):
                    self._close_all()
                    return
                self._sweep()

    def _turned(self, selector: selectors.BaseSelector, said: bytes) -> bool:
        """Open and close what was asked for; False if there is no door left to open."""
        with self._lock:
            wanted = dict(self._wanted) if said else {}
        for name, opened in wanted.items():
            listening = [door for door in self._listening if door.name == name]
            if opened and not listening:
                spare = next((door for door in self._doors if door.name == name), None)
                if spare is None:
                    return False
                self._open(spare)
                selector.register(spare.sock, selectors.EVENT_READ, spare)
            for door in [] if opened else listening:
                selector.unregister(door.sock)
                self._close(door)
        return True

    def _open(self, door: Door) -> None:
        door.sock.listen(BACKLOG)
        door.sock.setblocking(False)
        self._listening.append(door)

    def _close(self, door: Door) -> None:
        self._listening.remove(door)
        self._doors.remove(door)
        door.sock.close()
        with self._lock:
            guests = [connection for connection, by in self._guests.items() if by is door]
        for connection in guests:
            connection.interrupt()

    def _accept(self, door: Door) -> None:
        try:
            sock, address = door.sock.accept()
        except OSError:
            return
        sock.setblocking(True)
        connection = Connection(sock, str(address[0]))
        with self._lock:
            taken = sum(1 for other in self._guests.values() if other is door)
            full = not has_place(connection.source, taken, door.limit)
            if not full:
                self._guests[connection] = door
        if full:
            connection.close()
            return
        thread = threading.Thread(target=self._attend, args=(connection, door), name=door.name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._forget(connection)
            print(f"camward-camera: no thread for a {door.name} client", file=sys.stderr, flush=True)

    def _attend(self, connection: Connection, door: Door) -> None:
        try:
            if door.tls is not None:
                connection.start_tls(door.tls)
            door.serve(connection)
        except ConnectionEnded:
            pass
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._guests.pop(connection, None)
        connection.close()

    def _sweep(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [connection for connection in self._guests if connection.deadline_at < now]
        for connection in late:
            connection.interrupt()

    def _close_all(self) -> None:
        for door in self._doors:
            door.sock.close()
        with self._lock:
            guests = list(self._guests)
        for connection in guests:
            connection.interrupt()
        os.close(self._wake_read)
        os.close(self._wake_write)
