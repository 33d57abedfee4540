"""What a command may say: read as the camera reads it, and what comes with it. Pure."""

from typing import Any

from agent.formats import command as formats
from agent.formats import quarantine
from agent.formats.command import QUARANTINE, SETTINGS
from agent.formats.errors import FormatError
from agent.formats.ownership import Ownership
from agent.formats.proxy import MAX_HOST_CHARS
from update_server.errors import BadInput

MAX_PORT_DIGITS = 5
MAX_PROXY_CHARS = MAX_HOST_CHARS + 8  # brackets, colon and port


def check_arguments(name: str, arguments: dict[str, Any], record: Ownership) -> None:
    """Send nothing that a camera with this ownership record would refuse.

    Raises:
        BadInput: what comes with the command is not what it takes.
    """
    try:
        if name == QUARANTINE:
            quarantine.reason(arguments)
        elif name == SETTINGS:
            formats.with_settings(record, arguments)
        elif arguments:
            raise FormatError(f"{name} takes no arguments")
    except FormatError as error:
        raise BadInput(f"Cameras would refuse this command: {error.detail}.", "See 'docs/operator.md'.") from None


def read(body: bytes) -> formats.Command:
    """What a command says, whoever has signed it.

    Raises:
        BadInput: it is none.
    """
    try:
        return formats.parse(body)
    except FormatError as error:
        raise BadInput(f"This is no command: {error.detail}.", "Make one: 'camward-server command prepare'.") from None


def proxy_said(text: str) -> dict[str, Any]:
    """The arguments of `settings` for `HOST:PORT` (an IPv6 address in brackets), or for `none`; nothing for nothing.

    Raises:
        BadInput: it is something else.
    """
    if not text:
        return {}
    host, _, port = text.rpartition(":")
    known = port.isascii() and port.isdigit() and len(port) <= MAX_PORT_DIGITS
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    said: dict[str, Any] = {
        formats.PROXY: None if text == "none" else {"host": host, "port": int(port) if known else 0}
    }
    try:
        formats.proxy_said(said)
    except FormatError as error:
        raise BadInput(f"{text!r} is no proxy: {error.detail}.", "Write HOST:PORT, or none.") from None
    return said


def check_reason(reason: str) -> None:
    """Take no reason that a camera could not show.

    Raises:
        BadInput: it is too long, or holds what cannot be shown on one line.
    """
    try:
        quarantine.reason({"reason": reason})
    except FormatError as error:
        raise BadInput(f"The reason cannot be taken: {error.detail}.", "Write one short line.") from None


def with_reason(name: str, reason: str) -> dict[str, Any]:
    """The arguments of a command for which somebody gave a reason: only a quarantine tells it to the owner.

    Raises:
        BadInput: as `check_reason`, whatever the command is: it goes into the audit log.
    """
    check_reason(reason)
    return {"reason": reason} if name == QUARANTINE and reason else {}
