"""Pieces of targets over HTTPS: from the operator's server, from a mirror, or from another camera of the site."""

import http
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from agent.adapters.linux.dates import Dates, by_the_system
from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.fetcher import not_now, refuse_other_range, split_server
from agent.adapters.linux.http_exchange import LIMITS, Arriving, HttpServer, Limits
from agent.adapters.linux.tls import client_context
from agent.formats.delivery import Source
from agent.formats.errors import CutOff, FormatError, Unavailable

# What a neighbour has to keep to; the operator's server and mirrors may be at the end of a 2G line.
NEAR_GRACE_S = 10.0
NEAR_BYTES_PER_S = 32 * 1024.0


class HttpsDownloader:
    """`agent.ports.network.Downloader`: one connection at a time. `open` on the main thread, `read` on one worker."""

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

        `dates` judges the other side's certificate. `dialer` is the way to servers and mirrors; cameras of the site
        are reached directly.
        """
        self._certificate = certificate
        self._key = key
        self._dates = dates
        self._limits = limits
        self._clock = clock
        self._dialer = dialer
        self._own: tuple[str, str] | None = None  # URL and CA
        self._server: HttpServer | None = None
        self._server_of: tuple[str, str, str] | None = None  # URL, device, CA
        self._arriving: Arriving | None = None
        self._next: tuple[tuple[str, str, str], str, int] | None = None  # whose answer goes on with which byte

    def open(self, server_url: str, ca_pem: str) -> None:
        """See `Downloader.open`.

        Raises:
            FormatError: the URL is not `https://HOST[:PORT]`, or the CA does not parse.
        """
        split_server(server_url)
        client_context(ca_pem)
        self._own = (server_url, ca_pem)

    def read(
        self, source: Source, path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> bytes | None:
        """See `Downloader.read`.

        Raises:
            Unavailable: nothing came.
        """
        place = self._place(source)
        arriving = self._arriving
        if arriving is None or self._next != (place, path, offset_bytes):
            self._give_up()
            try:
                arriving = self._ask(place, path, offset_bytes, end_bytes)
            except FormatError as error:  # of a source that the director has named: that one is of no use
                raise Unavailable(f"no source can be at {place[0]}: {error.detail}") from error
            if arriving is None:
                return None
        self._arriving = None
        body = arriving.read(min(max_bytes, end_bytes - offset_bytes))
        kept = body[: len(body) - len(body) % align_bytes]
        if not kept:
            arriving.close()
            raise CutOff("the answer was cut off", len(body))
        if kept == body and offset_bytes + len(body) < end_bytes and len(body) == max_bytes:
            self._arriving, self._next = arriving, (place, path, offset_bytes + len(body))
        else:
            arriving.close()
        return kept

    def read_on(
        self, source: Source, path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> bytes | None:
        """See `Downloader.read_on`.

        Raises:
            Unavailable: the answer under way goes on with other bytes, or not at all.
        """
        if self._arriving is None or self._next != (self._place(source), path, offset_bytes):
            raise Unavailable("the answer does not go on there")
        return self.read(source, path, offset_bytes, end_bytes, max_bytes, align_bytes)

    def _place(self, source: Source) -> tuple[str, str, str]:
        if self._own is None:
            raise Unavailable("no server is known yet")
        own_url, ca_pem = self._own
        return source.url or own_url, source.device, ca_pem

    def connections(self) -> list[dict[str, object]]:
        """As `HttpServer.connections`."""
        server = self._server  # another thread may replace it
        return [] if server is None else server.connections()

    def close(self) -> None:
        """See `Downloader.close`."""
        self._give_up()
        if self._server is not None:
            self._server.close()

    def _ask(self, place: tuple[str, str, str], path: str, offset: int, end: int) -> Arriving | None:
        """The answer to one ranged request, or None where there is no such file.

        Raises:
            Unavailable: there is no such answer now.
        """
        arriving = self._connection(place).open(path, {"Range": f"bytes={offset}-{end - 1}"}, end - offset)
        if arriving.status == http.HTTPStatus.PARTIAL_CONTENT:
            length = arriving.headers.get("content-length", "")
            length_bytes = int(length) if length.isascii() and length.isdigit() else end - offset
            try:
                refuse_other_range(arriving.headers, path, offset, end - offset, length_bytes)
            except Unavailable:
                arriving.close()
                raise
            return arriving
        arriving.close()
        if arriving.status == http.HTTPStatus.NOT_FOUND:
            return None
        raise not_now(arriving.status, arriving.headers, path)

    def _connection(self, place: tuple[str, str, str]) -> HttpServer:
        if self._server is None or self._server_of != place:
            if self._server is not None:
                self._server.close()
            url, device, ca_pem = place
            host, port = split_server(url)

            def context() -> ssl.SSLContext:
                return client_context(ca_pem, self._certificate, self._key, self._dates, device)

            limits = self._limits
            if device:  # on the site's own network: one that is slower helps nobody
                limits = limits._replace(grace_s=NEAR_GRACE_S, slowest_bytes_per_s=NEAR_BYTES_PER_S)
            dialer = None if device else self._dialer
            self._server, self._server_of = HttpServer(host, port, context, limits, self._clock, dialer), place
        return self._server

    def _give_up(self) -> None:
        arriving, self._arriving = self._arriving, None
        if arriving is not None:
            arriving.close()
