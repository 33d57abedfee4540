"""Grants: short-lived proofs that a login succeeded, for the service it was made at."""

from binascii import hexlify

from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk

GRANT_LIFE_S = 600.0
MAX_SESSIONS = 8  # of one user at one service: browsers and tools; the oldest gives way, never somebody else's
MAX_PASSING = 64  # of digest requests, each of which brings a new one; together
GRANT_BYTES = 16


class Grant(Value):
    """Who it is for, where, until when (monotonic), and whether a digest request got it, which will not keep it."""

    FIELDS = ("user", "role", "service", "ends_at", "passing")
    user: str
    role: str
    service: str
    ends_at: float
    passing: bool


class Grants:
    """The grants that are out."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._out: "dict[str, Grant]" = {}

    def give(self, user: str, role: str, service: str, passing: bool = False, life_s: float = GRANT_LIFE_S) -> str:
        """A fresh one, 128 random bits in hex. A recorder that asks for a picture a second ends nobody's session."""
        same = [text for text, one in self._out.items() if one.passing is passing and (passing or one.user == user)]
        if not passing:
            same = [text for text in same if self._out[text].service == service]
        if len(same) >= (MAX_PASSING if passing else MAX_SESSIONS):
            del self._out[min(same, key=lambda text: self._out[text].ends_at)]
        text = str(hexlify(self._desk.ports.entropy.bytes(GRANT_BYTES)), "utf-8")
        self._out[text] = Grant(user, role, service, self._desk.now + life_s, passing)
        return text

    def find(self, text: str, service: str) -> "Grant | None":
        """The grant, if it was given at this service and has not ended."""
        grant = self._out.get(text)
        if grant is None or grant.service != service or grant.ends_at < self._desk.now:
            return None
        return grant

    def revoke_all(self) -> None:
        """Take back every grant there is."""
        self._out.clear()

    def revoke(self, user: str, service: str = "") -> None:
        """Take back every grant of this user, or those that one service was given."""
        for text in [text for text, one in self._out.items() if one.user == user and service in ("", one.service)]:
            del self._out[text]
