"""Lines of the login socket (docs/login-socket.md): one JSON object each way, at most 4096 bytes with the line feed."""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_LINE_BYTES = 4096
VERSION = 1
CODES = ("denied", "wait", "unclaimed", "locked", "bad_request", "policy", "busy", "change_required", "clock")
ROLES = ("administrator", "operator", "viewer")
MAX_USER_CHARS = 64
MAX_PASSWORD_CHARS = 1024  # refused by the policy when it is set, but a login may try anything of a sane length

_USER = ("user", MAX_USER_CHARS)
_PASSWORD = ("password", MAX_PASSWORD_CHARS)
_GRANT = ("grant", 256)
_ROLE = ("role", 16)

OPERATIONS: "dict[str, tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]]" = {
    "state": ((), (_USER,)),
    "login": ((_USER, _PASSWORD), ()),
    "nonce": ((), ()),
    "digest": (
        (_USER, ("realm", 64), ("nonce", 256), ("uri", 1024), ("method", 32), ("response", 64), ("algorithm", 16)),
        (("qop", 16), ("nc", 8), ("cnonce", 256)),
    ),
    "ws_token": ((_USER, ("nonce", 128), ("created", 40), ("digest", 40)), ()),
    "policy": ((_USER, _PASSWORD), (_GRANT, _ROLE)),
    "claim_proof": ((("nonce", 64), ("proof", 64)), ()),
    "claim": ((("code", 64), _USER, _PASSWORD), ()),
    "change_password": ((_USER, ("old", MAX_PASSWORD_CHARS), ("new", MAX_PASSWORD_CHARS)), ()),
    "users": ((_GRANT,), ()),
    "set_user": ((_GRANT, _USER, _ROLE), (_PASSWORD,)),
    "remove_user": ((_GRANT, _USER), ()),
    "open_ssh": ((_GRANT, _PASSWORD, ("minutes", 3)), ()),
    "close_ssh": ((_GRANT,), ()),
    "open_plain_rtsp": ((_GRANT, _PASSWORD, ("port", 5), ("days", 3)), ()),
    "close_plain_rtsp": ((_GRANT,), ()),
    "token_on": ((_GRANT, _USER, _PASSWORD), ()),
    "token_off": ((_GRANT, _USER), ()),
    "enrol": ((_GRANT, ("token", 3500)), ()),
    "disown": ((_GRANT, _PASSWORD), ()),
    "transfer": ((_GRANT, _PASSWORD, ("token", 3500)), ()),
    "erase": ((_GRANT, _PASSWORD), ()),
    "erase_locked": ((_USER, _PASSWORD), ()),
    "update_now": ((_GRANT,), ()),
    "postpone": ((_GRANT, ("hours", 3)), ()),
    "settings": ((_GRANT,), (("windows", 120), ("time_zone", 64))),
    "offer": ((_GRANT,), ()),
    "install": ((_GRANT, ("version", 32)), ()),
    "upload": ((_GRANT, ("length", 12)), ()),
    "install_bundle": ((("ticket", 256),), ()),
    "device": ((_GRANT,), ()),
    "evidence": ((_GRANT,), ()),
}
"""Operation to its required and optional texts, each with its longest length in characters."""


class Request(Value):
    """One request: the operation, the address of the person asking, and the operation's texts by name."""

    FIELDS = ("op", "source", "arguments")
    op: str
    source: str
    arguments: "dict[str, str]"


def parse_request(line: bytes) -> Request:
    """Read a request line, with or without its line feed. Members that the operation has not are refused.

    Raises:
        FormatError: it is no request.
    """
    source = parse_object(line, MAX_LINE_BYTES)
    fields.integer(source, "v", VERSION, VERSION)
    op = fields.text(source, "op", 32)
    if op not in OPERATIONS:
        raise FormatError("unknown operation")
    needed, optional = OPERATIONS[op]
    fields.only(source, ("v", "op", "source") + tuple(name for name, _ in needed + optional))
    arguments = {name: fields.text(source, name, most) for name, most in needed}
    for name, most in optional:
        if name in source:
            arguments[name] = fields.text(source, name, most)
    address = fields.text(source, "source", 64)
    if not address:
        raise FormatError("source is empty")
    return Request(op, address, arguments)


def encode_request(op: str, source: str, arguments: "dict[str, str]") -> bytes:
    """A request line, as a camera program writes it.

    Raises:
        FormatError: the operation would refuse it.
    """
    members: "dict[str, Any]" = {"v": VERSION, "op": op, "source": source}
    members.update(arguments)
    line = dump(members) + b"\n"
    parse_request(line)
    return line


def encode_reply(members: "dict[str, Any]") -> bytes:
    """A reply line that says yes, with these members.

    Raises:
        FormatError: it does not fit a line.
    """
    return _line({"ok": True}, members)


def encode_refusal(code: str, members: "dict[str, Any]") -> bytes:
    """A reply line that says no, with its code and these members.

    Raises:
        FormatError: the code is unknown, or the reply does not fit a line.
    """
    if code not in CODES:
        raise FormatError("unknown code " + code)
    return _line({"ok": False, "code": code}, members)


def _line(first: "dict[str, Any]", members: "dict[str, Any]") -> bytes:
    reply: "dict[str, Any]" = {"v": VERSION}
    reply.update(first)
    reply.update(members)
    line = dump(reply) + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise FormatError("the reply does not fit a line")
    return line
