"""Proves on the live services who gets in and who does not: after a change of credentials, and for evidence.

The agent tries the camera's own services through the loopback interface, as an outsider would. Each proof comes from a
random address of 127.0.0.0/8, which only the agent knows, so that its wrong tries do not lock anybody out; packets with
such a source never arrive from a network.
"""

from agent.app import plain_rtsp
from agent.formats import base64, utc
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.formats.config import Service
    from agent.formats.errors import CamwardError

    Done = Callable[[tuple["Finding", ...]], None]

WAYS = {"web": ("login", "digest"), "rtsps": ("digest",), "onvif": ("digest",), plain_rtsp.KIND: ("digest",)}
"""How a kind of service takes credentials, each backed by its own store."""

FACTORY_PASSWORDS = (("admin", "admin"), ("root", "xc3511"))
"""What everybody tries first; no account of a guarded camera can have them (agent.core.password)."""

CONSOLE = "console"
"""In the place of a service's name: the system's own accounts, which have no port of the network."""

WS_TOKEN = "ws_token"  # noqa: S105 - the name of a way
"""The way of WS-UsernameToken, which takes no password but a secret of its own (agent.app.ws_tokens)."""

NONCE_BYTES = 16

IN = "in"
REFUSED = "refused"
SILENT = "silent"
WAITED = "wait"


class Attempt(Value):
    """One try: at which service, in which way, as whom, what must come of it; `who` names it without the password."""

    FIELDS = ("service", "way", "who", "user", "password", "expected")
    service: str
    way: str
    who: str
    user: "str | None"
    password: str
    expected: str


class Finding(Value):
    """What came of an attempt."""

    FIELDS = ("service", "way", "who", "expected", "found")
    service: str
    way: str
    who: str
    expected: str
    found: str


class Proving:
    """One proof after the other; they queue."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._sources: "list[str]" = []
        self.proven_s: "Callable[[], int | None]" = _unknown
        """Unix seconds by proof of this boot, where there is one."""

    def is_own(self, source: str) -> bool:
        """Whether a login attempt comes from a proof under way."""
        return source in self._sources

    def start(self, attempts: "tuple[Attempt, ...]", done: "Done") -> None:
        """Make the attempts in order; `done` gets one finding for each."""
        source = self.address()
        self._sources.append(source)
        services = self._known()
        findings: "list[Finding]" = []

        def next_one() -> None:
            if len(findings) == len(attempts):
                self._sources.remove(source)
                self._leave()
                done(tuple(findings))
                return
            attempt = attempts[len(findings)]
            if attempt.service == CONSOLE:
                self._desk.call("console", "enter", (attempt.user, attempt.password), answered)
                return
            service = services[attempt.service].as_dict()
            service["way"] = attempt.way
            if attempt.way == WS_TOKEN:
                service["nonce"] = base64.encode(self._desk.ports.entropy.bytes(NONCE_BYTES))
                service["created"] = utc.render(self.proven_s() or 0)
            arguments = (service, source, attempt.user, attempt.password)
            self._desk.call("services", "enter", arguments, answered)

        def answered(value: "object", error: "CamwardError | None") -> None:
            attempt = attempts[len(findings)]
            found = str(value) if error is None else SILENT
            if found == WAITED and attempt.expected == REFUSED:
                found = REFUSED
            findings.append(Finding(attempt.service, attempt.way, attempt.who, attempt.expected, found))
            next_one()

        next_one()

    def address(self) -> str:
        """A random loopback address."""
        return "127." + ".".join(str(1 + byte % 254) for byte in self._desk.ports.entropy.bytes(3))

    def stranger(self) -> str:
        """A random user name that no account has."""
        return "probe-" + "".join("%02x" % byte for byte in self._desk.ports.entropy.bytes(6))

    def until(self, attempt: Attempt, source: str, tries: int, done: "Callable[[int, str], None]") -> None:
        """Repeat an attempt, counted like anybody's, until its outcome is the expected one; `done(count, outcome)`."""
        service = self._known()[attempt.service].as_dict()
        service["way"] = attempt.way
        made = [0]

        def again() -> None:
            made[0] += 1
            arguments = (service, source, attempt.user, attempt.password)
            self._desk.call("services", "enter", arguments, answered)

        def answered(value: "object", error: "CamwardError | None") -> None:
            found = str(value) if error is None else SILENT
            if found == attempt.expected or made[0] >= tries:
                self._leave()
                done(made[0], found)
            else:
                again()

        again()

    def _known(self) -> "dict[str, Service]":
        config = self._desk.config
        return {one.name: one for one in config.services + plain_rtsp.services(config)}

    def _leave(self) -> None:
        self._desk.call("services", "leave", (), lambda _value, _error: None)

    def everywhere(
        self, who: str, user: "str | None", password: str, expected: str, also: "tuple[Service, ...]" = ()
    ) -> "tuple[Attempt, ...]":
        """The same attempt at every service, and at those of `also`, in every way it has."""
        return tuple(
            Attempt(service.name, way, who, user, password, expected)
            for service in self._desk.config.services + also
            for way in WAYS[service.kind]
        )

    def tokens(self, who: str, user: str, secret: str, expected: str) -> "tuple[Attempt, ...]":
        """The attempt by WS-UsernameToken, where it is taken; without a proven clock nobody gets in by it."""
        if not self._desk.config.ws_token or self.proven_s() is None:
            return ()
        kinds = [one.name for one in self._desk.config.services if one.kind == "onvif"]
        return tuple([Attempt(name, WS_TOKEN, who, user, secret, expected) for name in kinds])

    def console(self, who: str, user: "str | None", password: str, expected: str) -> "tuple[Attempt, ...]":
        """The same attempt at the system's own accounts, where claimed users may have some."""
        if self._desk.config.system_logins is None:
            return ()
        return (Attempt(CONSOLE, "shadow", who, user, password, expected),)

    def intruders(self, also: "tuple[Service, ...]" = ()) -> "tuple[Attempt, ...]":
        """Attempts that must fail on any guarded camera: anonymous, and factory passwords."""
        found = self.everywhere("anonymous", None, "", REFUSED, also) + self.console("anonymous", None, "", REFUSED)
        for user, password in FACTORY_PASSWORDS:
            who = "factory password of " + user
            found += self.everywhere(who, user, password, REFUSED, also) + self.console(who, user, password, REFUSED)
        return found


def _unknown() -> "int | None":
    """Whoever knows the time puts something in its place."""
    return None
