"""Lines of a program's socket (docs/link-socket.md): one JSON object each way, and messages as base64 in them."""

from agent.formats import base64, fields
from agent.formats.json import dump, parse_object
from agent.formats.programs import MAX_MESSAGE_BYTES, MAX_TOPIC_CHARS
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
MAX_LINE_BYTES = MAX_MESSAGE_BYTES // 3 * 4 + 512  # base64, and what is around it
MAX_DATA_CHARS = (MAX_MESSAGE_BYTES + 2) // 3 * 4
MAX_N = 0x7FFFFFFF
PUBLISH, RECEIVE, STATE = "publish", "receive", "state"
OPERATIONS = (PUBLISH, RECEIVE, STATE)


class Request(Value):
    """One request: its number, which the answer repeats, the operation, and what a `publish` sends where."""

    FIELDS = ("n", "op", "topic", "data")
    n: int
    op: str
    topic: str
    data: bytes


def parse_request(line: bytes) -> Request:
    """Read a request line, with or without its line feed. Members that the operation has not are refused.

    Raises:
        FormatError: it is no request.
    """
    source = parse_object(line, MAX_LINE_BYTES)
    fields.integer(source, "v", VERSION, VERSION)
    number, op = fields.integer(source, "n", 0, MAX_N), fields.choice(source, "op", OPERATIONS)
    if op != PUBLISH:
        fields.only(source, ("v", "n", "op"))
        return Request(number, op, "", b"")
    fields.only(source, ("v", "n", "op", "topic", "data"))
    topic = fields.name(source, "topic", MAX_TOPIC_CHARS)
    return Request(number, op, topic, base64.decode(fields.text(source, "data", MAX_DATA_CHARS)))


def encode_reply(number: int, members: "dict[str, Any]") -> bytes:
    """A reply line that says yes."""
    return _line({"n": number, "ok": True}, members)


def encode_refusal(number: "int | None", code: str, members: "dict[str, Any]") -> bytes:
    """A reply line that says no; without a number where the request was not understood."""
    first: "dict[str, Any]" = {"ok": False, "code": code}
    if number is not None:
        first["n"] = number
    return _line(first, members)


def encode_message(topic: str, data: bytes) -> bytes:
    """The line of a message that has come for the program."""
    return _line({"op": "message", "topic": topic, "data": base64.encode(data)}, {})


def _line(first: "dict[str, Any]", members: "dict[str, Any]") -> bytes:
    line: "dict[str, Any]" = {"v": VERSION}
    line.update(first)
    line.update(members)
    return dump(line) + b"\n"
