"""RTSP in the clear: what a camera keeps of the exception that its owner has opened (agent.app.plain_rtsp)."""

from agent.formats import fields
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

SERVICE = "rtsp_plain"
"""Name of its login socket, beside those of the services."""
MAX_DOCUMENT_BYTES = 512
MAX_USER_CHARS = 64
MAX_SENT_BYTES = 8 * 1024


class Opened(Value):
    """Who has opened it, since when, and until when (Unix seconds).

    `quarantines`: the number of the last quarantine before (agent.formats.quarantine). A later one closes it, also if
    it came and went under a version of the agent that knows nothing of this record.
    """

    FIELDS = ("user", "since_at", "ends_at", "quarantines")
    user: str
    since_at: int
    ends_at: int
    quarantines: int


def encode(opened: Opened) -> bytes:
    """The stored form."""
    members: "dict[str, object]" = {"v": 1}
    members.update(opened.as_dict())
    return dump(members)


def decode(body: bytes) -> Opened:
    """Read the stored form.

    Raises:
        FormatError: it is damaged.
    """
    source = parse_object(body, MAX_DOCUMENT_BYTES)
    fields.integer(source, "v", 1, 1)
    return Opened(
        user=fields.text(source, "user", MAX_USER_CHARS),
        since_at=fields.integer(source, "since_at"),
        ends_at=fields.integer(source, "ends_at"),
        quarantines=fields.integer(source, "quarantines"),
    )


def encode_sent(sent: "dict[str, tuple[int, int]]") -> bytes:
    """The stored form of whose passwords came by it though they are no viewers.

    By name, when the password was set, and since when the exception was open (Unix seconds).
    """
    users = {name: {"set_at": set_at, "since_at": since_at} for name, (set_at, since_at) in sent.items()}
    return dump({"v": 1, "users": users})


def decode_sent(body: bytes) -> "dict[str, tuple[int, int]]":
    """Read the form of `encode_sent`.

    Raises:
        FormatError: it is damaged.
    """
    source = parse_object(body, MAX_SENT_BYTES)
    fields.integer(source, "v", 1, 1)
    found: "dict[str, tuple[int, int]]" = {}
    for name, value in fields.obj(source, "users").items():
        times = fields.as_object(value, name)
        found[name] = (fields.integer(times, "set_at"), fields.integer(times, "since_at"))
    return found
