"""The bottom of an HTTP exchange with a server that may be hostile: a socket on which nothing is unbounded."""

import io
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any

from agent.formats.errors import Unavailable

PIECE_BYTES = 64 * 1024
BUFFER_BYTES = 8 * 1024  # for an answer's head


class Wire:
    """A connected socket on which no call outlasts the deadline and no more than the allowed bytes arrive."""

    def __init__(self, connected: socket.socket, silence_s: float, clock: Callable[[], float]) -> None:
        self.socket = connected
        self._silence_s = silence_s
        self._clock = clock
        self._deadline = 0.0
        self._left_bytes = 0
        self._timeout_s = -1.0  # what the socket was told last
        self._tls = connected if isinstance(connected, ssl.SSLSocket) else None
        self._broken: Exception | None = None

    def allow(self, deadline: float, received_bytes: int) -> None:
        """What counts from now on."""
        self._deadline = deadline
        self._left_bytes = received_bytes

    def is_disturbed(self) -> bool:
        """Whether anything waits to be read on a connection that owes us nothing: its end, or surplus bytes."""
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        pending = self.socket.pending() if isinstance(self.socket, ssl.SSLSocket) else 0
        return bool(pending or waiting.poll(0))

    # What http.client asks of a socket.

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        view = memoryview(data).cast("B")
        while view:
            self._be_patient()
            view = view[self.socket.send(view[:PIECE_BYTES]) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the answer is read from."""
        return io.BufferedReader(_Received(self, self.socket.makefile("rb", buffering=0)), BUFFER_BYTES)

    def close(self) -> None:
        """Close, once everything made from it is closed."""
        self._broken = None  # its traceback leads back to here, and to what was being filled
        self.socket.close()

    def receive(self, buffer: memoryview) -> int:
        """Fill the buffer with what has arrived.

        Raises:
            Unavailable: the deadline has passed, or all that was allowed has come.
            OSError: of the socket.
        """
        return self._received(buffer, 1)

    def fill(self, buffer: memoryview) -> int:
        """Fill all of the buffer; fewer bytes where the connection ends, or breaks behind them.

        Raises:
            Unavailable: as `receive`, with nothing before it; what comes behind some bytes is raised by the next call.
            OSError: so, too.
        """
        return self._received(buffer, len(buffer))

    def _received(self, buffer: memoryview, least: int) -> int:
        """At least so many bytes, unless the connection ends or breaks."""
        if self._broken is not None:
            raise self._broken
        if not self._left_bytes:
            raise Unavailable("the answer does not end")
        most, at = min(len(buffer), self._left_bytes), 0
        read = self._tls.read if self._tls is not None else self._read_plain
        silence_s, clock = self._silence_s, self._clock
        # A slot comes in thousands of TLS records: what can be left out for each is left out.
        try:
            while at < least and at < most:
                if self._timeout_s != silence_s or self._deadline - clock() < silence_s:
                    self._be_patient()
                count: int = read(most - at, buffer[at:most])  # type: ignore[assignment]  # as `recv_into` does
                if not count:
                    break
                at += count
        except (Unavailable, OSError) as error:
            if not at:
                raise
            self._broken = error
        self._left_bytes -= at
        return at

    def _read_plain(self, count: int, buffer: memoryview) -> int:
        return self.socket.recv_into(buffer, count)

    def _be_patient(self) -> None:
        """Bound the next call; a system call only where the bound has changed, since a download reads many records."""
        timeout_s = patience(self._deadline, self._silence_s, self._clock)
        if timeout_s != self._timeout_s:
            self.socket.settimeout(timeout_s)
            self._timeout_s = timeout_s


class _Received(io.RawIOBase):
    """The raw end of what `Wire.makefile` returns.

    The socket's own raw end would be a third layer around each record of TLS: it is only kept, so that the socket stays
    open as long as an answer is read from it.
    """

    def __init__(self, wire: Wire, source: io.RawIOBase) -> None:
        super().__init__()
        self._receive = wire.receive
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._receive(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


def patience(deadline: float, silence_s: float, clock: Callable[[], float]) -> float:
    """Seconds that one call may take.

    Raises:
        Unavailable: none are left.
    """
    left_s = deadline - clock()
    if left_s <= 0:
        raise Unavailable("the server is too slow")
    return min(left_s, silence_s)
