"""What the agent wants done outside of its own step, and how a blocking port call is made."""

from agent.app.events import Result
from agent.formats.errors import Rejected, Unavailable
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.ports import Ports


class Call(Value):
    """Call a port's method where blocking does no harm, and feed the `Result` with the same id back. Safe to repeat."""

    FIELDS = ("id", "port", "method", "arguments", "after")
    id: int
    port: str
    method: str
    arguments: "tuple[object, ...]"
    after: "Callable[[Any], Any] | None"
    """What the value goes through there as well: a function of nothing else, such as a hash. None for nothing."""


class Reply(Value):
    """Send one line on a local connection; nothing happens when it has gone."""

    FIELDS = ("connection", "body")
    connection: int
    body: bytes


class Push(Value):
    """Send one line that nobody has asked for; a program that does not read loses its connection."""

    FIELDS = ("connection", "body")
    connection: int
    body: bytes


class Say(Value):
    """One line for the console."""

    FIELDS = ("text",)
    text: str


class Reboot(Value):
    """Close the link in good order and restart the machine."""

    FIELDS = ("reason",)
    reason: str


BLOCKING = {
    "fetcher": "network",
    "clockless": "network",
    "downloader": "download",
    "device": "disk",
    "unpacker": "unpack",
    "unsealer": "unpack",
    "releases": "network",
    "bundle": "bundle",
    "uploads": "bundle",
    "enroller": "network",
    "link": "network",
    "hasher": "hash",
    "console": "hash",
    "ssh": "ssh",
    "firewall": "firewall",
    "services": "probe",
    "sensors": "probe",
    "account_files": "audit",
}
"""Ports with calls that block, each with the lane of calls that run one after the other (one Argon2 at a time)."""


def perform(call: Call, ports: "Ports") -> Result:
    """Make one call; used by the worker threads, by the simulated world, and inline where there are no threads.

    Raises:
        Exception: whatever is neither Rejected nor Unavailable: a bug of ours.
    """
    try:
        value = getattr(getattr(ports, call.port), call.method)(*call.arguments)
        if call.after is not None:
            value = call.after(value)
    except (Rejected, Unavailable) as error:
        return Result(call.id, None, error)
    return Result(call.id, value, None)
