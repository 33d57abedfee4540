"""HTTP/1.1 with a server that may be hostile: one kept connection on which nothing is unbounded.

Every byte comes through a `_Wire`, which knows a deadline for the whole exchange and how many bytes may still arrive.
So whatever `http.client` loops over up there (interim answers, header lines, chunks, trailers) ends down here.

Nothing is followed, decoded or remembered: no redirects, no compression (it is never asked for, and refused), no
cookies, no proxies. A body of unclear length is refused; one that is said to end with the connection is taken, since
whoever uses it checks its signature or hash anyway.
"""

import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from agent.adapters.linux.dates import DatesRefused
from agent.core.clock import ClockDoubt
from agent.formats.errors import Unavailable

PIECE_BYTES = 64 * 1024
ERROR_BYTES = 16 * 1024  # of an answer that is no success nobody needs more
FRAMING_BYTES = 16 * 1024  # chunk heads and trailers of a short body; a long one may have as much again as its content
MAX_ADDRESSES = 4  # of one name; each may cost the silence
MAX_LENGTH_DIGITS = 15  # of a Content-Length: a petabyte


class Limits(NamedTuple):
    """What one exchange may cost. The slowest honest link of a camera is a shared 2G one, some KiB per second."""

    silence_s: float = 30.0  # a server that says nothing for so long has gone
    grace_s: float = 60.0  # every exchange may take this long, connecting included ...
    slowest_bytes_per_s: float = 1024.0  # ... and a second more per KiB; anything slower is the slow retrieval attack
    head_bytes: int = 32 * 1024  # status line and headers, with all interim answers; ours have 300 bytes


LIMITS = Limits()


class Answer(NamedTuple):
    """A final answer: status, headers by lower-case name, and the body: at most one byte more than was allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpServer:
    """One server and the connection that is kept to it. Not for several threads at once."""

    def __init__(
        self,
        host: str,
        port: int,
        context: Callable[[], ssl.SSLContext] | None,
        limits: Limits = LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Name the server; nothing is connected yet.

        Args:
            host: name or address; what its certificate must be for.
            port: of TCP.
            context: called at each connection, so that a renewed certificate is used; None for plain HTTP.
            limits: what one exchange may cost.
            clock: monotonic seconds.
        """
        self.host = host
        self._port = port
        self._context = context
        self._limits = limits
        self._clock = clock
        self._wire: _Wire | None = None

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], max_bytes: int
    ) -> Answer:
        """One request and its answer. It may be sent twice: a kept connection that fails is replaced once.

        Args:
            method: of HTTP; the request must be safe to repeat.
            path: with query, percent-encoded.
            body: of the request.
            headers: of the request, beside Host, Content-Length and `Accept-Encoding: identity`.
            max_bytes: at most one byte more of the answer's body is read.

        Raises:
            Unavailable: not connected, timed out, too slow, cut off, or an answer that makes no sense.
        """
        limits = self._limits
        allowed_s = limits.grace_s + (max_bytes + len(body or b"")) / limits.slowest_bytes_per_s
        deadline = self._clock() + allowed_s
        if self._wire is not None and self._wire.is_disturbed():
            self.close()
        kept = self._wire is not None
        try:
            return self._once(method, path, body, headers, max_bytes, deadline)
        except _Failed as error:
            if not kept:
                raise Unavailable(str(error)) from error
        try:
            return self._once(method, path, body, headers, max_bytes, deadline)
        except _Failed as error:
            raise Unavailable(str(error)) from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def tls(self) -> ssl.SSLSocket | None:
        """The kept connection's TLS socket, for those who look at it."""
        wire = self._wire
        return wire.socket if wire is not None and isinstance(wire.socket, ssl.SSLSocket) else None

    def _once(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline: float,
    ) -> Answer:
        try:
            wire = self._wire = self._wire or self._connect(deadline)
            wire.allow(deadline, self._limits.head_bytes)
            response = self._ask(wire, method, path, body, headers)
            with response:
                _refuse_unclear(response)
                most = max_bytes if response.status in _SUCCESS else min(max_bytes, ERROR_BYTES)
                wire.allow(deadline, 2 * most + FRAMING_BYTES)
                found = _read(response, most)
                whole = response.length == 0 or response.isclosed()
        except DatesRefused as error:
            self.close()
            raise ClockDoubt(f"{self.host}: {error}") from error
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise Unavailable(f"the server's certificate does not verify: {error.verify_message}") from error
        except TimeoutError as error:
            self.close()
            raise Unavailable("the server is silent") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _Failed(_explained(error)) from error
        except Unavailable:
            self.close()
            raise
        if response.will_close or not whole:
            self.close()
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, found)

    def _ask(
        self, wire: "_Wire", method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send the request and read the answer's head."""
        connection = http.client.HTTPConnection(
            self.host, self._port
        )  # for its words only: it never connects by itself
        connection.auto_open = 0
        if self._context is not None:
            # HTTPSConnection itself would load the system's authorities each time: 27 ms of a PC, and memory.
            connection.default_port = http.client.HTTPS_PORT
        connection.sock = wire
        connection.request(method, path, body, dict(headers))
        return connection.getresponse()

    def _connect(self, deadline: float) -> "_Wire":
        last: OSError | None = None
        try:
            found = socket.getaddrinfo(self.host, self._port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError("the server's name is no host name") from error
        for family, kind, protocol, _, address in found[:MAX_ADDRESSES]:
            raw: socket.socket = socket.socket(family, kind, protocol)
            try:
                raw.settimeout(_patience(deadline, self._limits.silence_s, self._clock))
                raw.connect(address)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    # The timeout bounds the whole handshake.
                    raw.settimeout(_patience(deadline, self._limits.silence_s, self._clock))
                    raw = self._context().wrap_socket(raw, server_hostname=self.host)
                return _Wire(raw, self._limits.silence_s, self._clock)
            except ssl.SSLError:
                raw.close()
                raise
            except OSError as error:
                raw.close()
                last = error
            except BaseException:
                raw.close()
                raise
        raise last or OSError("the name has no address")


_HTTP_1_0 = 10  # as http.client has it
_SUCCESS = frozenset({http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT})


class _Failed(Exception):
    """The connection broke or what came makes no sense; on a kept connection that may be its age."""


class _Wire:
    """A connected socket on which no call outlasts the deadline and no more than the allowed bytes arrive."""

    def __init__(self, connected: socket.socket, silence_s: float, clock: Callable[[], float]) -> None:
        self.socket = connected
        self._silence_s = silence_s
        self._clock = clock
        self._deadline = 0.0
        self._left_bytes = 0

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
            self.socket.settimeout(_patience(self._deadline, self._silence_s, self._clock))
            view = view[self.socket.send(view[:PIECE_BYTES]) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the answer is read from."""
        return io.BufferedReader(_Received(self, self.socket.makefile("rb", buffering=0)))

    def close(self) -> None:
        """Close, once everything made from it is closed."""
        self.socket.close()

    def receive(self, source: io.RawIOBase, buffer: "memoryview | bytearray") -> int:
        """Fill the buffer with what has arrived.

        Raises:
            Unavailable: the deadline has passed, or all that was allowed has come.
            OSError: of the socket.
        """
        if not self._left_bytes:
            raise Unavailable("the answer does not end")
        self.socket.settimeout(_patience(self._deadline, self._silence_s, self._clock))
        with memoryview(buffer) as view:
            count = source.readinto(view[: self._left_bytes]) or 0
        self._left_bytes -= count
        return count


class _Received(io.RawIOBase):
    """The raw end of what `_Wire.makefile` returns."""

    def __init__(self, wire: _Wire, source: io.RawIOBase) -> None:
        super().__init__()
        self._wire = wire
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive(self._source, buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


def _patience(deadline: float, silence_s: float, clock: Callable[[], float]) -> float:
    """Seconds that one call may take.

    Raises:
        Unavailable: none are left.
    """
    left_s = deadline - clock()
    if left_s <= 0:
        raise Unavailable("the server is too slow")
    return min(left_s, silence_s)


def _refuse_unclear(response: http.client.HTTPResponse) -> None:
    """Refuse an answer that is compressed, or whose length can be read in two ways (RFC 9112, 6.3).

    Raises:
        Unavailable: it is.
    """
    headers = response.headers
    lengths, codings = headers.get_all("Content-Length", []), headers.get_all("Transfer-Encoding", [])
    if any(coding.strip().lower() != "identity" for coding in headers.get_all("Content-Encoding", [])):
        raise Unavailable("the answer is compressed, which nobody asked for")
    if len(lengths) + len(codings) > 1 or any(coding.strip().lower() != "chunked" for coding in codings):
        raise Unavailable("the answer's length is unclear")
    ends_with_connection = response.version == _HTTP_1_0 or "close" in headers.get("Connection", "").lower()
    if response.length is None and not response.chunked and not lengths and not ends_with_connection:
        raise Unavailable("the answer's length is not named")
    if any(not (text.isascii() and text.isdigit() and len(text) <= MAX_LENGTH_DIGITS) for text in lengths):
        raise Unavailable("the answer's length is no number")


def _read(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """At most max_bytes + 1 bytes.

    Raises:
        Unavailable: cut off.
    """
    parts = []
    left = max_bytes + 1
    while left > 0:
        piece = response.read1(min(left, PIECE_BYTES))
        if not piece:
            break
        parts.append(piece)
        left -= len(piece)
    if left > 0 and response.length:
        raise Unavailable("the answer was cut off")
    return b"".join(parts)[: max_bytes + 1]  # a chunk of negative size makes http.client return more than asked for


def _explained(error: Exception) -> str:
    """One line; what the server sent is shown short and escaped."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(error, http.client.HTTPException):
        return "the server does not speak HTTP/1.1: " + ascii(str(error))[:80]
    return f"the server cannot be reached: {error}"
