"""HTTPS to the operator's server with the device's certificate; what a hostile server can do is bounded below."""

import http
import re
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from agent.adapters.linux.dates import Dates, by_the_system
from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.http_exchange import LIMITS, Answer, HttpServer, Limits
from agent.adapters.linux.http_wire import PIECE_BYTES
from agent.adapters.linux.tls import client_context
from agent.formats.errors import Busy, FormatError, Unavailable

PORT = 8443
MAX_RETRY_DIGITS = 10  # of seconds
_BUSY = frozenset({http.HTTPStatus.ACCEPTED, http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE})
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/(?:[0-9]{1,15}|\*)", re.ASCII)  # RFC 9110, 14.4


class HttpsFetcher:
    """`agent.ports.network.Fetcher` by `http_exchange`. `open` on the main thread, the rest on one worker thread."""

    def __init__(
        self,
        certificate: Path | None,
        key: Path | None,
        dates: Callable[[], Dates] = by_the_system,
        limits: Limits = LIMITS,
        clock: Callable[[], float] = time.monotonic,
        dialer: Dialer | None = None,
    ) -> None:
        """Name the files of the device's certificate and key; they are read at each connection (renewal).

        None where the server is not told who asks.

        `dates` judges the server's certificate. Where it does not fit, requests end with `agent.core.clock.ClockDoubt`.
        """
        self._certificate = certificate
        self._key = key
        self._dates = dates
        self._limits = limits
        self._clock = clock
        self._dialer = dialer
        self._wanted: tuple[str, int, str] | None = None  # host, port, CA
        self._connected_to: tuple[str, int, str] | None = None
        self._server: HttpServer | None = None

    def open(self, server_url: str, ca_pem: str) -> None:
        """See `Fetcher.open`.

        Raises:
            FormatError: the URL is not `https://HOST[:PORT]`, or the CA does not parse.
        """
        host, port = split_server(server_url)
        client_context(ca_pem)
        self._wanted = (host, port, ca_pem)

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> bytes | None:
        """See `Fetcher.get`.

        Raises:
            Unavailable: no such answer now.
        """
        headers = {}
        if length_bytes:
            headers["Range"] = f"bytes={offset_bytes}-{offset_bytes + length_bytes - 1}"
        answer = self._exchange("GET", path, None, headers, max_bytes)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        wanted = http.HTTPStatus.PARTIAL_CONTENT if length_bytes else http.HTTPStatus.OK
        if answer.status != wanted:
            raise not_now(answer.status, answer.headers, path)
        if length_bytes:
            refuse_other_range(answer.headers, path, offset_bytes, length_bytes, len(answer.body))
        return answer.body

    def put(self, path: str, body: bytes) -> None:
        """See `Fetcher.put`.

        Raises:
            Unavailable: not accepted.
        """
        answer = self._exchange("PUT", path, body, {"Content-Type": "application/json"}, PIECE_BYTES)
        if answer.status not in {200, 201, 204}:
            raise Unavailable(f"the server answered {answer.status} for {path}")

    def connections(self) -> list[dict[str, object]]:
        """As `HttpServer.connections`."""
        server = self._server  # another thread may replace it
        return [] if server is None else server.connections()

    def close(self) -> None:
        """Close the kept connection, if there is one."""
        if self._server is not None:
            self._server.close()

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str], max_bytes: int) -> Answer:
        wanted = self._wanted
        if wanted is None:
            raise Unavailable("no server is known yet")
        if self._server is None or self._connected_to != wanted:
            self.close()
            host, port, ca_pem = wanted

            def context() -> ssl.SSLContext:
                return client_context(ca_pem, self._certificate, self._key, self._dates)

            self._server = HttpServer(host, port, context, self._limits, self._clock, self._dialer)
            self._connected_to = wanted
        return self._server.exchange(method, path, body, headers, max_bytes)


def split_server(server_url: str) -> tuple[str, int]:
    """Host and port of `https://HOST[:PORT]`.

    Raises:
        FormatError: it is anything else.
    """
    try:
        parts = urlsplit(server_url)
        port = parts.port
    except ValueError as error:
        raise FormatError("the server's address does not parse") from error
    if parts.scheme != "https" or not parts.hostname or parts.path not in {"", "/"} or parts.username or parts.query:
        raise FormatError("the server's address is not https://HOST[:PORT]")
    return parts.hostname, port or PORT


def refuse_other_range(
    headers: Mapping[str, str], path: str, offset_bytes: int, most_bytes: int, length_bytes: int
) -> None:
    """Refuse a part that does not begin where it was asked to, is longer, or has not the length it says.

    Raises:
        Unavailable: it is another part.
    """
    named = _RANGE.fullmatch(headers.get("content-range", ""))
    first, last = (int(named[1]), int(named[2])) if named else (-1, -1)
    if first != offset_bytes or not first <= last < first + most_bytes or length_bytes != last - first + 1:
        raise Unavailable(f"the server answered with another range for {path}")


def not_now(status: int, headers: Mapping[str, str], path: str) -> Unavailable:
    """What an answer that is no success means; Busy where it says when to come again (RFC 9110, 10.2.3)."""
    detail = f"the server answered {status} for {path}"
    after = headers.get("retry-after", "").strip()
    if status not in _BUSY or not after:
        return Unavailable(detail)
    if after.isascii() and after.isdigit() and len(after) < MAX_RETRY_DIGITS:
        return Busy(detail, int(after))
    try:
        # A date is as good as our clock: whoever has the wrong one waits a day at most.
        return Busy(detail, parsedate_to_datetime(after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return Unavailable(detail)
