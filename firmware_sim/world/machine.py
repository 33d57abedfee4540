"""The rest of the machine: clock, measurements, watchdog, web certificate, and the camera's services."""

from agent.app import digest
from agent.core.clock import LEFT_TO_NTP_S, differs
from agent.formats import ws_token
from agent.formats.errors import Unavailable
from firmware_sim.world.store import Documents, MemoryStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FINGERPRINT = "ab" * 32  # of the certificate that this world's services show
ISSUED = "web/issued/services.pem"


class WorldClock:
    """Implements the port Clock; time passes only when a test lets it.

    Attributes:
        now_s: the true time.
        skew_s: what the system's clock is wrong by; it may be changed at any time, as NTP may, and outlives a boot, as
            an RTC does.
        settable: whether the agent is permitted to set the system's clock.
        floor_s: the time floor, as the agent has last told it.
    """

    def __init__(self, now_s: int) -> None:
        self.now_s = float(now_s)
        self.skew_s = 0
        self.settable = True
        self.floor_s = 0
        self._proven: tuple[int, float] | None = None
        self._monotonic_s = 0.0
        self._boots = 0

    def power_on(self) -> None:
        """A new boot begins: another boot id, and the monotonic clock starts anew."""
        self._boots += 1
        self._monotonic_s = 0.0
        self._proven = None
        self.floor_s = 0

    def skip_boots(self, other: "WorldClock") -> None:
        """Boot ids of the other clock's boots are not used again."""
        self._boots = other._boots

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.advance_to(self._monotonic_s + max(0.0, seconds))

    def advance_to(self, monotonic_s: float) -> None:
        """Let time pass until the monotonic clock says exactly this; nothing happens when it is past."""
        passed = monotonic_s - self._monotonic_s
        if passed > 0:
            self._monotonic_s = monotonic_s
            self.now_s += passed

    def wall_s(self) -> int:
        """Unix seconds, wrong by `skew_s`; after `set_wall_s`, counted from there."""
        if self._proven is not None:
            return self._proven[0] + int(self._monotonic_s - self._proven[1])
        return int(self.now_s) + self.skew_s

    def set_wall_s(self, at: int) -> None:
        """It is `at` now.

        Raises:
            Unavailable: `settable` is off.
        """
        self._proven = (at, self._monotonic_s)
        if differs(int(self.now_s) + self.skew_s, at):
            if not self.settable:
                raise Unavailable("operation not permitted")
            self.skew_s = at - int(self.now_s)

    def set_floor_s(self, at: int) -> None:
        """It is `at` at least."""
        self.floor_s = at
        if self.settable and int(self.now_s) + self.skew_s < at - LEFT_TO_NTP_S:
            self.skew_s = at - int(self.now_s)

    def monotonic_s(self) -> float:
        """Seconds since the power came on."""
        return self._monotonic_s

    def boot_id(self) -> str:
        """The number of this boot, written like a UUID."""
        return "00000000-0000-4000-8000-" + ("000000000000" + str(self._boots))[-12:]


class WorldSensors:
    """Implements the port Sensors with what the test says; nothing by default."""

    def __init__(self) -> None:
        self.measured: dict[str, Any] = {}
        self.found: dict[str, Any] = {}

    def telemetry(self) -> "dict[str, Any]":
        """A copy of `measured`."""
        return dict(self.measured)

    def facts(self) -> "dict[str, Any]":
        """A copy of `found`."""
        return dict(self.found)


class WorldWatchdog:
    """Implements the port Watchdog by counting."""

    def __init__(self) -> None:
        self.fed = 0
        self.closed = False
        self.broken = False

    def feed(self) -> None:
        """Count."""
        self.fed += 1

    def alive(self) -> bool:
        """Unless `broken` is set."""
        return not self.broken

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class WorldWebCertificate:
    """Implements the port WebCertificate: there is always the same self-signed one.

    `documents`: where the issued one is kept, by path.
    """

    def __init__(self, documents: Documents) -> None:
        self.broken = False
        self._store = MemoryStore(documents)

    def ensure(self, serial: str) -> str:
        """The fingerprint.

        Raises:
            Unavailable: `broken` is set.
        """
        if self.broken:
            raise Unavailable("the storage is broken")
        return FINGERPRINT

    def issued(self) -> "bytes | None":
        """The issued one.

        Raises:
            Unavailable: the storage is broken.
        """
        return self._store.read(ISSUED)

    def keep(self, name: str, chain: bytes) -> None:
        """Take the place of the issued one.

        Raises:
            Unavailable: the storage is broken.
        """
        self._store.write(ISSUED, chain)


class CameraServices:
    """Implements the port Services: a camera that asks the agent on the login socket, as firmware_sim.camera does.

    Faults: a service named in `dead` answers nothing; one named in `open_doors` lets everybody in without asking; one
    named in `frozen` sends no picture.

    Args:
        ask: hands one login request to the agent and returns its reply: (service name, request) -> reply.
    """

    def __init__(self, ask: "Callable[[str, dict[str, Any]], dict[str, Any]]") -> None:
        self._ask = ask
        self.dead: set[str] = set()
        self.open_doors: set[str] = set()
        self.frozen: set[str] = set()

    def answers(self, service: "dict[str, Any]") -> bool:
        """Whether the service is alive."""
        return service["name"] not in self.dead

    def enter(self, service: "dict[str, Any]", source: str, user: "str | None", password: str) -> str:
        """Try to get in; `in`, `refused`, `wait` or `silent`."""
        if not self.answers(service):
            return "silent"
        if service["name"] in self.open_doors:
            return "in"
        if user is None:
            return "refused"
        name = service["name"]
        if service["way"] == "ws_token":
            nonce, created = service["nonce"], service["created"]
            proof = ws_token.digest(ws_token.parse_nonce(nonce), created, password)
            asked = {"v": 1, "op": "ws_token", "source": source, "user": user, "nonce": nonce, "created": created}
            asked["digest"] = proof
            reply = self._ask(name, asked)
        elif service["way"] == "digest":
            reply = self._digest(name, source, user, password)
        else:
            reply = self._ask(name, {"v": 1, "op": "login", "source": source, "user": user, "password": password})
        if reply.get("ok") is True:
            return "in"
        return "wait" if reply.get("code") == "wait" else "refused"

    def leave(self) -> None:
        """Nothing is kept here."""

    def plays(self, service: "dict[str, Any]", source: str, user: str, password: str) -> bool:
        """The three requests of a play, each asked about on the login socket; then a frame, unless it is frozen."""
        if not self.answers(service):
            return False
        for method in ("DESCRIBE", "SETUP", "PLAY"):
            if self._digest(service["name"], source, user, password, method).get("ok") is not True:
                return False
        return service["name"] not in self.frozen

    def _digest(self, name: str, source: str, user: str, password: str, method: str = "GET") -> "dict[str, Any]":
        """What a client of HTTP digest and the camera make of it between them (RFC 7616)."""
        challenge = self._ask(name, {"v": 1, "op": "nonce", "source": source})
        if challenge.get("ok") is not True:
            return challenge
        algorithm, uri, nonce = "SHA-256", "/", challenge["nonce"]
        counted = ("00000001", "0a4f113b", "auth")
        ha1 = digest.secret(algorithm, user, password)
        request: dict[str, Any] = {"v": 1, "op": "digest", "source": source, "user": user}
        request.update({"realm": challenge["realm"], "nonce": nonce, "uri": uri, "method": method})
        request.update({"algorithm": algorithm, "nc": counted[0], "cnonce": counted[1], "qop": counted[2]})
        request["response"] = digest.response(algorithm, ha1, method, uri, nonce, counted)
        return self._ask(name, request)
