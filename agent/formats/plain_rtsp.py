"""RTSP in the clear: what a camera keeps of the exception that its owner has opened (agent.app.plain_rtsp)."""

from agent.formats import fields
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

SERVICE = "rtsp_plain"
"""Name of its login socket, beside those of the services."""
MAX_DOCUMENT_BYTES = 512
MAX_USER_CHARS = 64


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
