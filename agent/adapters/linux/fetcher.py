"""HTTPS to the operator's server: one kept connection, one worker thread, everything bounded."""

import http.client
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

from agent.adapters.linux.tls import client_context
from agent.formats.errors import FormatError, Unavailable

SILENCE_S = 30.0  # a server that says nothing for so long has gone
GRACE_S = 60.0  # every request may take this long ...
SLOWEST_BYTES_PER_S = 1024  # ... and a second more per KiB; anything slower is the slow retrieval attack
PIECE_BYTES = 64 * 1024
PORT = 8443
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class HttpsFetcher:
    """`agent.ports.network.Fetcher` by http.client. `open` on the main thread, the rest on one worker thread."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Name the files of the device's certificate and key; they are read at each connection (renewal)."""
        self._certificate = certificate
        self._key = key
        self._server: tuple[str, int, str] | None = None  # host, port, CA
        self._connected_to: tuple[str, int, str] | None = None
        self._connection: http.client.HTTPSConnection | None = None

    def open(self, server_url: str, ca_pem: str) -> None:
        """See `Fetcher.open`.

        Raises:
            FormatError: the URL is not `https://HOST[:PORT]`, or the CA does not parse.
        """
        host, port = split_server(server_url)
        client_context(ca_pem)
        self._server = (host, port, ca_pem)

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> bytes | None:
        """See `Fetcher.get`.

        Raises:
            Unavailable: no such answer now.
        """
        headers = {}
        if length_bytes:
            headers["Range"] = f"bytes={offset_bytes}-{offset_bytes + length_bytes - 1}"
        status, body = self._exchange("GET", path, None, headers, max_bytes)
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        wanted = http.HTTPStatus.PARTIAL_CONTENT if length_bytes else http.HTTPStatus.OK
        if status != wanted:
            raise Unavailable(f"the server answered {status} for {path}")
        return body

    def put(self, path: str, body: bytes) -> None:
        """See `Fetcher.put`.

        Raises:
            Unavailable: not accepted.
        """
        status, _ = self._exchange("PUT", path, body, {"Content-Type": "application/json"}, PIECE_BYTES)
        if status not in {200, 201, 204}:
            raise Unavailable(f"the server answered {status} for {path}")

    def connections(self) -> list[dict[str, object]]:
        """The kept connection, for evidence: peer, TLS version, and whether a peer's certificate was verified."""
        connection = self._connection
        if connection is None or not isinstance(connection.sock, ssl.SSLSocket):
            return []
        # Without verification OpenSSL hands the certificate over as an empty dictionary.
        verified = bool(connection.sock.getpeercert())
        return [{"peer": connection.host, "version": connection.sock.version() or "", "verified": verified}]

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], max_bytes: int
    ) -> tuple[int, bytes]:
        """One request; a kept connection that the server has closed meanwhile is replaced once."""
        for fresh in (False, True):
            kept = self._connection is not None
            try:
                return self._once(method, path, body, headers, max_bytes)
            except _STALE as error:
                self._close()
                if fresh or not kept:
                    raise Unavailable(f"the server closed the connection: {error}") from error
            except ssl.SSLCertVerificationError as error:
                self._close()
                raise Unavailable(f"the server's certificate is not the operator's: {error.verify_message}") from error
            except (OSError, http.client.HTTPException) as error:
                self._close()
                raise Unavailable(f"the server cannot be reached: {error}") from error
            except Unavailable:
                self._close()
                raise
        raise Unavailable("the server closed the connection twice")

    def _once(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], max_bytes: int
    ) -> tuple[int, bytes]:
        connection = self._connect()
        deadline = time.monotonic() + GRACE_S + max_bytes / SLOWEST_BYTES_PER_S
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = _read(response, max_bytes, deadline)
        whole = response.length == 0 or response.isclosed()
        response.close()  # otherwise the connection takes no further request
        if response.will_close or not whole:
            self._close()
        return response.status, found

    def _connect(self) -> http.client.HTTPSConnection:
        server = self._server
        if server is None:
            raise Unavailable("no server is known yet")
        if self._connection is None or self._connected_to != server:
            self._close()
            host, port, ca_pem = server
            context = client_context(ca_pem, self._certificate, self._key)
            self._connection = http.client.HTTPSConnection(host, port, timeout=SILENCE_S, context=context)
            self._connected_to = server
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


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


def _read(response: http.client.HTTPResponse, max_bytes: int, deadline: float) -> bytes:
    """At most max_bytes + 1 bytes.

    Raises:
        Unavailable: slower than permitted, or cut off.
    """
    parts = []
    left = max_bytes + 1
    while left:
        piece = response.read1(min(left, PIECE_BYTES))
        if not piece:
            break
        parts.append(piece)
        left -= len(piece)
        if time.monotonic() > deadline:
            raise Unavailable("the server is too slow")
    if left and response.length:
        raise Unavailable("the answer was cut off")
    return b"".join(parts)
