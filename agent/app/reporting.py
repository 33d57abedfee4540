"""Messages to the server: enveloped, signed where they are evidence, kept in the outbox until the broker has them.

Where the operator has a key for it, what the camera says of itself and of credentials is sealed (agent.app.sealing).

A message lies in `outbox/NUMBER.KIND.SIZE` until its PUBACK; after a restart the index is made from these names.
"""

from binascii import hexlify

from agent.app.sealing import Sealing
from agent.core.outbox import Entry, Outbox
from agent.formats import envelope, messages
from agent.formats.envelope import Envelope
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.ownership import Ownership

    Facts = Callable[[], dict[str, Any]]

FOLDER = "outbox"
EVIDENCE_KEY = "evidence"
BIRTH = "birth"
IN_FLIGHT = 16  # below the broker's usual receive maximum of 20, so that the birth never waits
_TIMER = "telemetry"


class Reporting:
    """The outbox and what fills it regularly."""

    def __init__(self, desk: "Desk", time: "TrustedTime") -> None:
        self._desk = desk
        self._time = time
        self._sealing = Sealing(desk)
        self._outbox = Outbox()
        self._names: "dict[int, str]" = {}
        self._in_flight: "set[int]" = set()
        self._last_seq = 0
        self._up = False
        self._interval_s = 0
        self._facts: "Facts" = dict
        run = str(hexlify(desk.ports.entropy.bytes(4)), "utf-8")
        self._boot = desk.ports.clock.boot_id()[:36] + "." + run
        self.link_problem = "not enrolled"

    def start(self, facts: "Facts") -> None:
        """Find the messages that wait. `facts()` gives the members of telemetry that other parts know."""
        self._facts = facts
        for name in self._desk.ports.store.names(FOLDER):
            parts = name[len(FOLDER) + 1 :].split(".")
            if len(parts) == 3 and parts[0].isdigit() and parts[2].isdigit() and parts[1] in envelope.TYPES:
                seq = int(parts[0])
                self._names[seq] = name
                self._last_seq = max(self._last_seq, seq)
                self._drop(self._outbox.add(Entry(seq, parts[1], int(parts[2]))))

    def enrolled(self, record: "Ownership") -> None:
        """Open the link, and measure from now on."""
        self._sealing.enrolled(record)
        down = "camward/1/" + self._desk.device_id + "/down/command"
        self._desk.ports.link.open(record.broker_host, record.broker_port, record.ca, self._desk.device_id, (down,))
        self._interval_s = record.telemetry_interval_s
        self.link_problem = "connecting"
        self._desk.soon(_TIMER, self._measure)

    def is_up(self) -> bool:
        """Whether the broker's session stands."""
        return self._up

    def has_server(self) -> bool:
        """Whether there is anybody to tell: a camera without an operator keeps no messages for a later one."""
        return self._interval_s > 0

    def count(self) -> int:
        """Messages that wait."""
        return self._outbox.count

    # Filling

    def report_update(self, report: messages.Report) -> bool:
        """Queue a signed report; False when it could not be kept. Whatever becomes of it, the update stands."""
        return self.queue("report", messages.report_body(report))

    def queue(self, kind: str, body: "dict[str, Any]") -> bool:
        """Put one message into the outbox; durable when it returns True, given up when False."""
        self._last_seq = seq = self._last_seq + 1
        try:
            wire = self._sealed(kind, seq, body)
            name = "%s/%08d.%s.%d" % (FOLDER, seq, kind, len(wire))
            self._desk.ports.store.write(name, wire)
        except (Rejected, Unavailable) as error:
            self.link_problem = "a message was lost: " + str(error)
            return False
        self._names[seq] = name
        self._drop(self._outbox.add(Entry(seq, kind, len(wire))))
        self._pump()
        return True

    def _sealed(self, kind: str, seq: int, body: "dict[str, Any]") -> bytes:
        at = self._time.now_s()
        whole = Envelope(kind, self._desk.device_id, self._boot, seq, at, body, b"")
        seals = self._sealing.seals(kind)
        if seals or kind in envelope.SIGNED_TYPES:
            whole = whole.replace(signature=self._desk.ports.keys.sign(EVIDENCE_KEY, envelope.message(whole)))
        wire = envelope.encode(whole)
        return self._sealing.seal(whole, wire) if seals else wire

    def _measure(self) -> None:
        self._desk.at(_TIMER, self._desk.now + self._interval_s, self._measure)

        def measured(value: "object", error: "CamwardError | None") -> None:
            if error is not None or not isinstance(value, dict):
                return
            value.update(self._facts())
            value["outbox_count"] = self._outbox.count
            try:
                self.queue("telemetry", messages.telemetry_body(value))
            except FormatError as wrong:
                self.link_problem = "telemetry: " + str(wrong)

        self._desk.call("sensors", "telemetry", (), measured)

    # Emptying

    def linked(self, up: bool, reason: str) -> None:
        """The broker's session came up or went down."""
        self._up = up
        self._in_flight = set()
        self.link_problem = "" if up else reason
        if up:
            facts = self._facts()
            birth = messages.encode_state(messages.State(True, facts["version"], facts["slot"], ""))
            self._desk.ports.link.publish(BIRTH, "camward/1/" + self._desk.device_id + "/state", birth, True)
            self._pump()

    def acknowledged(self, name: str) -> None:
        """The broker has it: delete it."""
        number = name[len(FOLDER) + 1 :].partition(".")[0]
        if name.startswith(FOLDER + "/") and number.isdigit():
            self._in_flight.discard(int(number))
            if self._outbox.done(int(number)):
                self._drop((int(number),))
        self._pump()

    def _pump(self) -> None:
        """Hand over what may be in flight."""
        if not self._up:
            return
        for entry in self._outbox.next(IN_FLIGHT - len(self._in_flight), self._in_flight):
            name = self._names[entry.seq]
            try:
                wire = self._desk.ports.store.read(name)
            except Unavailable:
                wire = None  # found again at the next start
            if wire is None:
                self._outbox.done(entry.seq)
                continue
            topic = "camward/1/" + self._desk.device_id + "/up/" + entry.kind
            if not self._desk.ports.link.publish(name, topic, wire, False):
                return
            self._in_flight.add(entry.seq)

    def _drop(self, numbers: "tuple[int, ...]") -> None:
        for seq in numbers:
            name = self._names.pop(seq, None)
            if name is not None:
                try:
                    self._desk.ports.store.delete(name)
                except Unavailable:
                    pass  # found again at the next start
