"""A camera's quarantine: what it keeps of it on the storage, and what the command for it may say."""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DOCUMENT_BYTES = 4096
MAX_REASON_CHARS = 200  # in whatever language the owner reads; shown as it is


class Quarantine(Value):
    """Whether the camera is in quarantine, since when (Unix seconds), and why, in the operator's words.

    `number` is that of the command that began the last one, 0 if there never was one: logins from before it do not
    stand afterwards either.
    """

    FIELDS = ("active", "number", "since_at", "reason")
    active: bool
    number: int
    since_at: int
    reason: str


NEVER = Quarantine(False, 0, 0, "")


def encode(state: Quarantine) -> bytes:
    """The stored form."""
    members: "dict[str, Any]" = {"v": 1}
    members.update(state.as_dict())
    return dump(members)


def decode(body: bytes) -> Quarantine:
    """Read the stored form.

    Raises:
        FormatError: it is damaged.
    """
    source = parse_object(body, MAX_DOCUMENT_BYTES)
    fields.integer(source, "v", 1, 1)
    return Quarantine(
        active=fields.boolean(source, "active"),
        number=fields.integer(source, "number"),
        since_at=fields.integer(source, "since_at"),
        reason=_printable(fields.text(source, "reason", MAX_REASON_CHARS)),
    )


def reason(arguments: "dict[str, Any]") -> str:
    """The reason among a command's arguments; empty without one.

    Raises:
        FormatError: it is too long, holds what cannot be shown on one line, or there is something else.
    """
    fields.only(arguments, ("reason",))
    return _printable(fields.text(arguments, "reason", MAX_REASON_CHARS)) if arguments else ""


def _printable(text: str) -> str:
    for character in text:
        plain = " " <= character <= "~" or character >= "\u00a0"
        if not plain or "\u2028" <= character <= "\u202e" or "\u2066" <= character <= "\u2069":
            raise FormatError("the reason holds what cannot be shown")
    return text
