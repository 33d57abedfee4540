"""A way in for the agent's own probe of a stream: one user who exists for seconds, for one play, from one address.

Nobody can ask for a ticket: the agent makes one when its health checks play a stream, hands it to the probe in its own
process, and takes it back when the probe has ended. It opens nothing that a viewer may not see. What has to be true of
whoever uses it, all of it checked by the agent:

- the request comes over the login socket of the one service that is probed;
- its source is an address of 127.0.0.0/8 that was made up for this ticket: packets with such a source never arrive from
  a network (the camera application reports it, and it lets in whom it likes anyway);
- user name and password are fresh random texts, and the ticket is `TICKET_LIFE_S` old at most;
- each of the three requests of a play is made at most once.

There is one ticket at a time, in memory alone, and the grant that comes with it is valid nowhere.
"""

from binascii import hexlify

from agent.app.digest import response, secret
from agent.formats.hmac import same
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk

TICKET_LIFE_S = 30.0  # a slow camera takes some seconds for the handshake, three answers and a frame
TICKET_BYTES = 16
ROLE = "viewer"
METHODS = ("DESCRIBE", "SETUP", "PLAY")


class Ticket(Value):
    """Where it is valid, for whom, and until when (monotonic)."""

    FIELDS = ("service", "source", "user", "password", "ends_at")
    service: str
    source: str
    user: str
    password: str
    ends_at: float


class Tickets:
    """The one ticket that is out, if any."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._out: "Ticket | None" = None
        self._left: "list[str]" = []

    def issue(self, service: str, source: str) -> Ticket:
        """A fresh ticket; the one before is void."""
        self._left = list(METHODS)
        self._out = Ticket(service, source, "probe-" + self._random(), self._random(), self._desk.now + TICKET_LIFE_S)
        return self._out

    def withdraw(self) -> None:
        """No ticket is out any more."""
        self._out = None

    def find(self, service: str, source: str, user: str) -> "Ticket | None":
        """The ticket, if it is valid for this user of this service from this address, now."""
        ticket = self._out
        if ticket is None or self._desk.now > ticket.ends_at:
            return None
        return ticket if (ticket.service, ticket.source, ticket.user) == (service, source, user) else None

    def admits(self, ticket: Ticket, given: "dict[str, str]", counted: "tuple[str, str, str] | None") -> bool:
        """Whether a digest answer (the operation's texts) is the ticket's, for a request that it is still good for.

        A wrong answer ends the ticket: nothing can be guessed.
        """
        method, algorithm = given["method"], given["algorithm"]
        ha1 = secret(algorithm, ticket.user, ticket.password)
        wanted = response(algorithm, ha1, method, given["uri"], given["nonce"], counted)
        if not same(wanted.encode(), given["response"].lower().encode()):
            self.withdraw()
            return False
        if method not in self._left:
            return False
        self._left.remove(method)
        return True

    def grant(self) -> str:
        """A text in the shape of a grant that no operation accepts."""
        return self._random()

    def _random(self) -> str:
        return str(hexlify(self._desk.ports.entropy.bytes(TICKET_BYTES)), "utf-8")
