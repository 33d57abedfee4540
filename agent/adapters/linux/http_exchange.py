"""HTTP/1.1 with a server that may be hostile: one kept connection on which nothing is unbounded.

Every byte comes through a `Wire`, which knows a deadline for the whole exchange and how many bytes may still arrive.
So whatever `http.client` loops over up there (interim answers, header lines, chunks, trailers) ends down here.

Nothing is followed, decoded or remembered: no redirects, no compression (it is never asked for, and refused), no
cookies, no proxies. A body of unclear length is refused; one that is said to end with the connection is taken, since
whoever uses it checks its signature or hash anyway.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from agent.adapters.linux.dates import DatesRefused
from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.http_wire import BUFFER_BYTES, PIECE_BYTES, Wire, patience
from agent.adapters.linux.troubles import explained, trouble
from agent.core.clock import ClockDoubt
from agent.formats.errors import Unavailable

ERROR_BYTES = 16 * 1024  # of an answer that is no success nobody needs more
FRAMING_BYTES = 16 * 1024  # chunk heads and trailers of a short body; a long one may have as much again as its content
MAX_LENGTH_DIGITS = 15  # of a Content-Length: a petabyte


T = TypeVar("T")


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
        dialer: Dialer | None = None,
    ) -> None:
        """Name the server; nothing is connected yet.

        Args:
            host: name or address; what its certificate must be for.
            port: of TCP.
            context: called at each connection, so that a renewed certificate is used; None for plain HTTP.
            limits: what one exchange may cost.
            clock: monotonic seconds.
            dialer: by which way; None for the direct one.
        """
        self.host = host
        self._port = port
        self._context = context
        self._limits = limits
        self._clock = clock
        self._dialer = dialer or Dialer(clock=clock)
        self._wire: Wire | None = None

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
        return self._again(lambda: self._once(method, path, body, headers, max_bytes, deadline))

    def open(self, path: str, headers: Mapping[str, str], max_bytes: int) -> "Arriving":
        """A GET whose answer's body is read piece by piece; its head has come when this returns.

        Raises:
            Unavailable: as `exchange`.
        """
        deadline = self._clock() + self._limits.grace_s
        return self._again(lambda: self._opened(path, headers, max_bytes, deadline))

    def _again(self, attempt: "Callable[[], T]") -> "T":
        """Once more where a kept connection fails: that may be its age."""
        if self._wire is not None and self._wire.is_disturbed():
            self.close()
        kept = self._wire is not None
        try:
            return attempt()
        except _Failed as error:
            if not kept:
                raise Unavailable(str(error)) from error
        try:
            return attempt()
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

    def connections(self) -> list[dict[str, object]]:
        """The kept connection, for evidence: peer, TLS version, and whether the peer's certificate was verified."""
        secured = self.tls()
        if secured is None:
            return []
        # Without verification OpenSSL hands the certificate over as an empty dictionary.
        return [{"peer": self.host, "version": secured.version() or "", "verified": bool(secured.getpeercert())}]

    def _once(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline: float,
    ) -> Answer:
        with self._translated():
            wire, response = self._begin(method, path, body, headers, deadline)
            with response:
                most = max_bytes if response.status in _SUCCESS else min(max_bytes, ERROR_BYTES)
                wire.allow(deadline, 2 * most + FRAMING_BYTES)
                found = _read(response, most)
                whole = response.length == 0 or response.isclosed()
        if response.will_close or not whole:
            self.close()
        return Answer(response.status, _lower(response), found)

    def _opened(self, path: str, headers: Mapping[str, str], max_bytes: int, deadline: float) -> "Arriving":
        with self._translated():
            wire, response = self._begin("GET", path, None, headers, deadline)
        return Arriving(self, wire, response, max_bytes, self._limits, self._clock)

    def _begin(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], deadline: float
    ) -> "tuple[Wire, http.client.HTTPResponse]":
        wire = self._wire = self._wire or self._connect(deadline)
        wire.allow(deadline, self._limits.head_bytes)
        response = self._ask(wire, method, path, body, headers)
        try:
            _refuse_unclear(response)
        except Unavailable:
            response.close()
            raise
        return wire, response

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever goes wrong in here closes the connection and is one of our errors.

        Raises:
            Unavailable: it went wrong.
            _Failed: it went wrong in a way that the age of a kept connection explains.
        """
        try:
            yield
        except DatesRefused as error:
            self.close()
            raise ClockDoubt(f"{self.host}: {error}") from error
        except (ssl.SSLCertVerificationError, socket.gaierror) as error:
            self.close()
            raise Unavailable(trouble(error).text) from error
        except TimeoutError as error:
            self.close()
            raise Unavailable("the server is silent") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _Failed(explained(error)) from error
        except Unavailable:
            self.close()
            raise

    def _ask(
        self, wire: "Wire", method: str, path: str, body: bytes | None, headers: Mapping[str, str]
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

    def _connect(self, deadline: float) -> "Wire":
        def patience_s() -> float:
            return patience(deadline, self._limits.silence_s, self._clock)

        def left_s() -> float:
            return deadline - self._clock()

        connected = self._dialer.dial(self.host, self._port, self._context, patience_s, left_s)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Wire(connected, self._limits.silence_s, self._clock)


class Arriving:
    """An answer whose body arrives; only one of a server's at a time.

    Attributes:
        status: of HTTP.
        headers: by lower-case name.
    """

    def __init__(
        self,
        server: HttpServer,
        wire: "Wire",
        response: http.client.HTTPResponse,
        max_bytes: int,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self.status = response.status
        self.headers = _lower(response)
        self._server = server
        self._wire = wire
        self._response = response
        self._left_bytes = max_bytes
        self._past_buffer = False  # of http.client: it is empty, and stays so
        self._found = bytearray()  # for all reads: pages that are new each time cost more than what is written on them
        self._limits = limits
        self._clock = clock

    def read(self, count_bytes: int) -> bytes:
        """The next bytes: `count_bytes`, or fewer where the body ends or the connection breaks after them.

        Raises:
            Unavailable: the connection broke, and nothing came before.
        """
        most = min(count_bytes, self._left_bytes)
        self._left_bytes -= most
        deadline = self._clock() + self._limits.grace_s + most / self._limits.slowest_bytes_per_s
        self._wire.allow(deadline, 2 * most + FRAMING_BYTES)
        if len(self._found) < most:
            self._found = bytearray(most)
        found, at = memoryview(self._found)[:most], 0
        try:
            with self._server._translated():
                while at < most and (count := self._receive(found[at:])):
                    at += count
        except (_Failed, Unavailable) as error:
            if not at:
                raise Unavailable(str(error)) from error
        if at < most:
            self.close()
        return bytes(found[:at])

    def _receive(self, buffer: memoryview) -> int:
        """Some bytes of the body; 0 where it ends.

        A body of known length is read past `http.client`, once nothing can be left in its buffer: a slot comes in
        thousands of TLS records, and each layer around them costs time.
        """
        response = self._response
        if response.length == 0:
            return 0
        if self._past_buffer and response.length is not None:
            length = response.length
            count = self._wire.fill(buffer if len(buffer) <= length else buffer[:length])
            response.length = length - count
        else:
            most = min(len(buffer), PIECE_BYTES)
            piece = response.read1(most)[:most]  # a chunk of negative size: see `_read`
            count = len(piece)
            buffer[:count] = piece
            self._past_buffer = most >= BUFFER_BYTES
        if response.length == 0:
            response.close()
        return count

    def close(self) -> None:
        """The rest is not wanted: a connection that still owes some of it is closed."""
        if self._response.length or not self._response.isclosed() or self._response.will_close:
            self._server.close()
        self._response.close()


_HTTP_1_0 = 10  # as http.client has it
_SUCCESS = frozenset({http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT})


class _Failed(Exception):
    """The connection broke or what came makes no sense; on a kept connection that may be its age."""


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


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
