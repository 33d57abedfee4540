"""What happens to the agent: made by the main loop, taken by `Agent.step`. No event (None) means time has passed."""

from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.errors import CamwardError


class Result(Value):
    """A `Call` has ended: its value, or the `Rejected` or `Unavailable` it raised (others are bugs)."""

    FIELDS = ("id", "value", "error")
    id: int
    value: object
    error: "CamwardError | None"


class Line(Value):
    """One line came in on a local socket. `service` is the login socket's name, or `ADMIN` for the admin socket."""

    FIELDS = ("connection", "service", "body")
    connection: int
    service: str
    body: bytes


class Linked(Value):
    """The broker's session came up, or went down (or did not come up) for `reason`, of the kind `trouble`.

    `trouble` is one of the codes of docs/login-socket.md (`device`, `link_trouble`), empty where it is up.
    """

    FIELDS = ("up", "reason", "trouble")
    up: bool
    reason: str
    trouble: str


class Acknowledged(Value):
    """The broker has the message of this name (PUBACK)."""

    FIELDS = ("name",)
    name: str


class Refused(Value):
    """The broker has answered that it does not keep the message of this name, or has nobody for it."""

    FIELDS = ("name",)
    name: str


class Message(Value):
    """The broker delivered a message. Nothing in it is trusted."""

    FIELDS = ("topic", "payload")
    topic: str
    payload: bytes


ADMIN = "admin"
"""Name of the admin socket among the services."""
