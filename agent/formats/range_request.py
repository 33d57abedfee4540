"""The one request that a camera answers its neighbours: `GET PATH HTTP/1.1` with one range of bytes (RFC 9110, 14.2).

Strict, because nobody but our own downloader asks: what another client might add (a body, several ranges, a range from
the end, an escaped path) is no request here. The path is compared, never resolved.
"""

from agent.formats.errors import FormatError
from agent.formats.value import Value

MAX_HEAD_BYTES = 2048  # ours has 200
MAX_LINES = 32
MAX_DIGITS = 10  # of a byte's number: more than the largest slot
END = b"\r\n\r\n"
_DECIMAL = "0123456789"
_FRAMING = ("content-length", "transfer-encoding", "expect", "upgrade")


class RangeRequest(Value):
    """Bytes `first` to `last` (both included) of what lies at `path`; `close`: nothing is asked afterwards."""

    FIELDS = ("path", "first", "last", "close")
    path: str
    first: int
    last: int
    close: bool


def parse(head: bytes) -> RangeRequest:
    """Read a request's head, its empty line included.

    Raises:
        FormatError: it is not exactly that.
    """
    if len(head) > MAX_HEAD_BYTES or not head.endswith(END) or head.find(END) != len(head) - len(END):
        raise FormatError("no head of a request")
    if any(byte > 0x7E or (byte < 0x20 and byte not in b"\r\n\t") for byte in head):
        raise FormatError("a request in other characters")
    lines = str(head[: -len(END)], "utf-8").split("\r\n")
    if len(lines) > MAX_LINES or any("\r" in line or "\n" in line for line in lines):
        raise FormatError("no lines of a request")
    words = lines[0].split(" ")
    if len(words) != 3 or words[0] != "GET" or words[2] != "HTTP/1.1" or not words[1].startswith("/"):
        raise FormatError("no GET of HTTP/1.1")
    ranges: "list[str]" = []
    close = False
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip()
        if not colon or not name or name.strip() != name or name in _FRAMING:
            raise FormatError("a header that no neighbour sends")
        if name == "range":
            ranges.append(value)
        elif name == "connection":
            close = value.lower() == "close"
    if len(ranges) != 1:
        raise FormatError("not one range")
    first, last = _range(ranges[0])
    return RangeRequest(words[1], first, last, close)


def _range(value: str) -> "tuple[int, int]":
    unit, _, rest = value.partition("=")
    first, dash, last = rest.partition("-")
    if unit != "bytes" or not dash or not _is_number(first) or not _is_number(last) or int(first) > int(last):
        raise FormatError("no range of bytes with two ends")
    return int(first), int(last)


def _is_number(text: str) -> bool:
    return 0 < len(text) <= MAX_DIGITS and all(character in _DECIMAL for character in text)
