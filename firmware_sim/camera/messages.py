"""Heads of HTTP/1.1 and RTSP/1.0 messages (RFC 9112, RFC 2326): bytes <-> values, bounded and strict. Pure.

Stricter than the RFCs where leniency has made request smuggling possible: no folding, no bare LF, no doubled lengths.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

MAX_HEAD_BYTES = 8_192
"""Start line and headers; digest headers with long nonces take about 1 KiB."""

MAX_HEADERS = 64
"""Browsers send about 20."""

HEAD_END = b"\r\n\r\n"

_START = re.compile(rb"([A-Z_]{1,20}) ([\x21-\x7e]{1,2048}) (HTTP/1\.[01]|RTSP/1\.0)")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_ONCE = {"authorization", "content-length", "content-type", "cookie", "cseq", "host", "origin", "session", "transport"}


class RequestError(Exception):
    """The client's message is refused.

    Attributes:
        status: the HTTP or RTSP status to answer with; the connection is closed after it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Head(NamedTuple):
    """Start line and headers of one request.

    Attributes:
        method: upper case.
        target: request target as sent.
        version: `HTTP/1.0`, `HTTP/1.1` or `RTSP/1.0`.
        headers: lower-case name to value; repeated list headers are joined by commas.
    """

    method: str
    target: str
    version: str
    headers: dict[str, str]

    def get(self, name: str) -> str:
        """A header by lower-case name, empty when absent.

        Raises:
            Nothing: absence is the empty text.
        """
        return self.headers.get(name, "")


def parse_head(data: bytes) -> Head:
    """Parse everything before the empty line.

    Args:
        data: the head without its final CRLF CRLF.

    Raises:
        RequestError: 431 when too long or too many headers, 400 for any other fault.
    """
    if len(data) > MAX_HEAD_BYTES:
        raise RequestError(431, "the request head is too long")
    lines = data.split(b"\r\n")
    start = _START.fullmatch(lines[0])
    if start is None:
        raise RequestError(400, "the request line is malformed")
    if len(lines) - 1 > MAX_HEADERS:
        raise RequestError(431, "too many headers")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise RequestError(400, "a header line is malformed")
        name, value = match[1].decode("ascii").lower(), match[2].decode("latin-1")
        if name in headers and name in _ONCE:
            raise RequestError(400, f"header {name} is repeated")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Head(start[1].decode(), start[2].decode(), start[3].decode(), headers)


def body_length(head: Head, limit_bytes: int) -> int:
    """Length of the body that follows a head.

    Raises:
        RequestError: 501 for a transfer coding, 400 for a malformed length, 413 for one above the limit.
    """
    if "transfer-encoding" in head.headers:
        raise RequestError(501, "transfer codings are not supported")
    text = head.get("content-length") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise RequestError(400, "the content length is malformed")
    length = int(text)
    if length > limit_bytes:
        raise RequestError(413, "the body is too long")
    return length


def format_response(version: str, status: int, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """A complete response; Content-Length is added.

    Raises:
        ValueError: a header value holds a line break: a bug of ours, never sent.
    """
    lines = [f"{version} {status} {_reason(status)}"]
    for name, value in [*headers, ("Content-Length", str(len(body)))]:
        if "\r" in value or "\n" in value:
            raise ValueError(f"header {name} would break the line")
        lines.append(f"{name}: {value}")
    return "\r\n".join(lines).encode("latin-1") + HEAD_END + body


_RTSP_REASONS = {454: "Session Not Found", 455: "Method Not Valid in This State", 461: "Unsupported Transport"}


def _reason(status: int) -> str:
    if status in _RTSP_REASONS:
        return _RTSP_REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
