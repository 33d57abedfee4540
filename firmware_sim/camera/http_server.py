"""HTTP/1.1 over one connection: reads requests, asks a handler, writes responses, keeps alive within bounds."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from firmware_sim.camera.listener import Connection
from firmware_sim.camera.messages import Head, RequestError, body_length, format_response, parse_head

MAX_BODY_BYTES = 65_536
"""The longest body of ours is an ONVIF request of a few KiB."""

REQUEST_WITHIN_S = 10.0
"""From the first wait to the last byte of a request, together: a dribbling client gets no more."""

ANSWER_WITHIN_S = 200.0
"""The agent may prove a new password on every service (PROVED_WITHIN_S); then the answer has to be read."""

IDLE_FOR_S = 8.0
"""How long a kept connection may wait for its next request."""

MAX_REQUESTS = 200
"""Requests on one connection, so that no client keeps its place for ever."""


class Request(NamedTuple):
    """One HTTP request.

    Attributes:
        head: start line and headers.
        body: at most MAX_BODY_BYTES.
        source: IP address of the client.
    """

    head: Head
    body: bytes
    source: str

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.head.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.head.target.partition("?")[2]


class Response(NamedTuple):
    """One HTTP response; Content-Length is added on the wire."""

    status: int
    body: bytes
    content_type: str
    headers: Sequence[tuple[str, str]] = ()


Handler = Callable[[Request], Response]


class HttpServer:
    """Serves one connection after another with the same handler; holds no state of its own."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def serve(self, connection: Connection) -> None:
        """Talk until the client is done, misbehaves or is out of time.

        Raises:
            ConnectionEnded: the client went away.
        """
        for _ in range(MAX_REQUESTS):
            connection.allow(IDLE_FOR_S)
            connection.peek()
            connection.allow(REQUEST_WITHIN_S)
            try:
                request = _read_request(connection)
            except RequestError as error:
                body = f"{error}\n".encode()
                _send(
                    connection, Response(error.status, body, "text/plain; charset=utf-8"), keep=False, head_only=False
                )
                connection.drain()
                return
            connection.allow(ANSWER_WITHIN_S)
            keep = request.head.version == "HTTP/1.1" and "close" not in request.head.get("connection").lower()
            _send(connection, self._handler(request), keep, head_only=request.head.method == "HEAD")
            if not keep:
                return


def _read_request(connection: Connection) -> Request:
    head = parse_head(connection.read_head())
    if not head.version.startswith("HTTP/"):
        raise RequestError(400, "this is an HTTP port")
    length = body_length(head, MAX_BODY_BYTES)
    if head.get("expect").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(head, connection.read_exactly(length), connection.source)


def _send(connection: Connection, response: Response, keep: bool, head_only: bool) -> None:
    headers = [
        ("Content-Type", response.content_type),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "keep-alive" if keep else "close"),
        *response.headers,
    ]
    data = format_response("HTTP/1.1", response.status, headers, response.body)
    connection.send(data[: len(data) - len(response.body)] if head_only else data)
