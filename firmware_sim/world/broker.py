"""The operator's MQTT broker as the camera meets it, and the camera's session with it."""

from binascii import hexlify
from hashlib import sha256

from agent.app.events import Acknowledged, Linked, Message, Refused
from agent.formats import envelope, taken
from agent.formats.errors import FormatError
from firmware_sim.world import certificates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware_sim.world.machine import WorldClock

RECEIPTED = ("/up/alarm", "/up/evidence", "/up/report")


class Broker:
    """The operator's MQTT broker; survives every power cut of the camera.

    Attributes:
        down: no connection is possible.
        refuses: topics (parts of) whose publications are lost without acknowledgement.
        messages, properties: (topic, payload) in the order of arrival, and what travelled beside each.
        others: brokers of other operators that the camera can reach, by host.
        takes: (device, messages) -> the server's receipt for them, or None where no server takes anything in. It does
            so at once, and once: it refuses nothing, whatever comes.
        loses_receipts: they get lost on their way.
        unheard: no server has subscribed; what comes is thrown away, and the camera is told so.
        unheard_on: topics (parts of) to which nobody has subscribed, in the same way.
        distrusts_since: it takes no camera's certificate that was given then or later, whatever its dates.
    """

    def __init__(self) -> None:
        self.down = False
        self.refuses: set[str] = set()
        self.unheard_on: set[str] = set()
        self.messages: list[tuple[str, bytes]] = []
        self.properties: list[tuple[tuple[str, str], ...]] = []
        self.others: dict[str, Broker] = {}
        self.takes: Callable[[str, tuple[taken.One, ...]], bytes] | None = None
        self.loses_receipts = self.unheard = False
        self.distrusts_since = certificates.END_S

    def on(self, topic: str) -> "list[bytes]":
        """Payloads that arrived on topics that end with `topic`."""
        return [payload for name, payload in self.messages if name.endswith(topic)]

    def publish(self, topic: str, payload: bytes) -> str:
        """Take one message: `acknowledged` or `refused`, or empty where the camera hears nothing of it."""
        if any(part in topic for part in self.refuses):
            return ""
        if self.unheard or any(part in topic for part in self.unheard_on):
            return "refused"
        self.messages.append((topic, payload))
        return "acknowledged"

    def receipt(self, topic: str, payload: bytes) -> "bytes | None":
        """What the server says to a message that has arrived; None to telemetry, and to what it cannot read."""
        if self.takes is None or not topic.endswith(RECEIPTED):
            return None
        try:
            found = envelope.parse(payload)
        except FormatError:
            return None
        return self.takes(found.id, (taken.One(found.seq, hexlify(sha256(payload).digest()).decode(), ""),))


class WorldLink:
    """Implements the port Link on a `Broker`; one per boot. `events` keeps what happens until the world takes it.

    `trusted` says whether the broker's certificate fits the camera's clock; asked when a connection is made. So is
    `document(name)`, which gives the camera's own certificate as it is stored, and `clock`, which knows the true time;
    without them no certificate is looked at.
    """

    def __init__(
        self,
        broker: Broker,
        trusted: "Callable[[], bool] | None" = None,
        document: "Callable[[str], bytes | None] | None" = None,
        clock: "WorldClock | None" = None,
    ) -> None:
        self._broker = self._first = broker
        self._trusted = trusted
        self._document = document
        self._clock = clock
        self._certificate = "identity/certificate.pem"
        self._name = ""
        self.events: list[tuple[object, ...]] = []
        self.subscribed: tuple[str, ...] = ()
        self.keep_alive_s = 0
        self._open = False
        self._up = False
        self._begun = False

    def open(
        self, host: str, port: int, ca_pem: str, device_id: str, subscribe: "tuple[str, ...]", keep_alive_s: int
    ) -> None:
        """Connect and stay connected; what was open before is closed.

        Raises:
            FormatError: no certificate.
        """
        self.close()
        if "BEGIN CERTIFICATE" not in ca_pem:
            raise FormatError("no CA")
        self._broker = self._first.others.get(host, self._first)
        self._open = True
        self.subscribed = subscribe
        self.keep_alive_s = keep_alive_s
        self.poll()

    def begin(self) -> None:
        """The session is known of."""
        self._begun = self._up

    def publish(
        self, name: str, topic: str, payload: bytes, retain: bool, properties: "tuple[tuple[str, str], ...]" = ()
    ) -> bool:
        """Hand over one message; acknowledged in `events` unless the broker refuses it."""
        if not self._begun:
            return False
        became = self._broker.publish(topic, payload)
        if became == "acknowledged":
            self._broker.properties.append(properties)
        if became:
            self.events.append((became, name))
        receipt = self._broker.receipt(topic, payload) if became == "acknowledged" else None
        if receipt is not None and not self._broker.loses_receipts:
            self.events.append(("message", topic.partition("/up/")[0] + "/down/receipt", receipt))
        return True

    def show(self, certificate: str, key: str) -> None:
        """Show another certificate of the device, from now on; the world's certificates know no keys."""
        self.key = key
        was_open, self._open = self._open, False
        self.poll()
        self._name = self._certificate = certificate
        self._open = was_open
        self.poll()

    def stands(self) -> bool:
        """Whether there is a session now."""
        return self._up

    def shown(self) -> str:
        """By which certificate the session that stands was made."""
        return self._name if self._up else ""

    def close(self) -> None:
        """Disconnect."""
        self._open = False
        self.poll()

    def deliver(self, topic: str, payload: bytes) -> None:
        """Something the broker sends to this camera."""
        if self._up:
            self.events.append(("message", topic, payload))

    def poll(self) -> None:
        """Notice whether the broker can be reached."""
        up = self._open and not self._broker.down
        if up and not self._up:
            up = (self._trusted is None or self._trusted()) and self._taken()
        if up and not self._up:
            self.events.append(("up",))
        if self._up and not up:
            self.events.append(("down", "the broker is gone", "closed"))
            self._begun = False
        self._up = up

    def _taken(self) -> bool:
        """Whether the broker takes this camera's certificate."""
        if self._document is None or self._clock is None:
            return True
        shown = self._document(self._certificate)
        trusted = certificates.serial(shown) < self._broker.distrusts_since
        return trusted and certificates.fits(shown, int(self._clock.now_s))


def as_event(event: "tuple[Any, ...]") -> object:
    """What happened on a session, as the agent's main loop takes it."""
    if event[0] == "up":
        return Linked(True, "", "")
    if event[0] == "down":
        return Linked(False, event[1], event[2])
    if event[0] == "acknowledged":
        return Acknowledged(event[1])
    if event[0] == "refused":
        return Refused(event[1])
    return Message(event[1], event[2])
