"""Messages to the server: enveloped, signed where they are evidence, and kept until they have arrived.

They wait in agent.app.outgoing. Telemetry goes when the broker has it; everything else only on the server's signed
receipt (agent.core.taken), which names each message by its bytes.

Where the operator has a key for it, what the camera says of itself and of credentials is sealed (agent.app.sealing).
"""

from binascii import hexlify

from agent.app import trust_store
from agent.app.outgoing import Outgoing
from agent.app.sealing import Sealing
from agent.core import gathering, taken
from agent.core.gathering import Gathering
from agent.core.outage import Outage
from agent.core.trust_repository import Repository
from agent.formats import envelope, messages, ownership, samples
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
    from agent.formats.taken import One

    Facts = Callable[[], dict[str, Any]]

EVIDENCE_KEY = "evidence"
BIRTH, BIRTH_NUMBER = "birth", 0
BIRTH_S = 10  # until it is told again, give or take a half, where nobody was there to hear it
RECEIPT = "/down/receipt"
IN_FLIGHT = 16  # below the broker's usual receive maximum of 20, so that the birth never waits
PUBACK_S = 60  # a session in which the broker acknowledges nothing for so long is none, whatever its keepalive says
REOPEN_S = 30  # then a new one begins within this time: a broker that stands again is not asked by all at once
RECEIPT_S = 60  # until what has no receipt is sent again; twice as long each time
MAX_RECEIPT_S = 3600  # a server that is down for a day must not find every message a thousand times
MAX_RECEIPTS = 8  # that wait to be verified; what is dropped comes again
VERIFY_EVERY_S = 0.2
MAX_VERIFY_S = 10.0  # twice as long after each forged one: a small camera takes 0.1 s for a signature
KEEP_ALIVE_S = {ownership.MOBILE: 1200, ownership.WIRED: 60}  # what it costs and what it is good for: docs/telemetry.md
SAY_EVERY_S = 3600.0  # whoever forges receipts does not fill the log
_TELEMETRY, _VERIFY, _LATE, _SILENT, _REOPEN = "telemetry", "receipts", "late receipts", "silent broker", "new session"
_UNHEARD = "unheard birth"


class Reporting:
    """What fills the outbox regularly, and what empties it."""

    def __init__(self, desk: "Desk", time: "TrustedTime") -> None:
        self._desk = desk
        self._time = time
        self._sealing = Sealing(desk)
        self._outgoing = Outgoing(desk, time.now_s)
        self._in_flight: "list[int]" = []  # in the order of sending
        self._up = False
        self._heard = False  # whether the server's ingest has subscribed at this broker
        self._interval_s = 0
        self._gathering = Gathering(1)
        self._outage = Outage()
        self._facts: "Facts" = dict
        self._record: "Ownership | None" = None
        self._receipts: "list[bytes]" = []
        self._verify_at = 0.0  # not earlier
        self._verify_s = VERIFY_EVERY_S
        self._said_at = -SAY_EVERY_S
        self._late_s = RECEIPT_S
        self._awaits = False  # whether _LATE is set
        run = str(hexlify(desk.ports.entropy.bytes(4)), "utf-8")
        self._boot = desk.ports.clock.boot_id()[:36] + "." + run
        self.link_problem, self.link_trouble = "not enrolled", ""
        # What shares the link, behind all this: agent.app.programs.
        self.topics_hook: "Callable[[], tuple[str, ...]]" = tuple
        self.began_hook: "Callable[[], None]" = _nothing
        self.spare_hook: "Callable[[], None]" = _nothing

    def start(self, facts: "Facts") -> None:
        """Find the messages that wait. `facts()` gives the members of telemetry that other parts know."""
        self._facts = facts
        self._outgoing.load(self.pump)

    def stop(self) -> None:
        """Write what is kept in memory for a while; for an orderly shutdown."""
        self._send_samples()
        self._outgoing.flush()

    def enrolled(self, record: "Ownership") -> None:
        """Open the link, and measure from now on."""
        self._sealing.enrolled(record)
        self._record = record
        self._open_link()
        self._interval_s = record.telemetry_interval_s
        self._send_samples()  # what was gathered by the record before
        self._gathering = Gathering(gathering.most(record.line, record.telemetry_interval_s))
        self._desk.soon(_TELEMETRY, self._measure)

    def is_up(self) -> bool:
        """Whether the broker's session stands."""
        return self._up

    def has_server(self) -> bool:
        """Whether there is anybody to tell: a camera without an operator keeps no messages for a later one."""
        return self._interval_s > 0

    def count(self) -> int:
        """Messages that wait."""
        return self._outgoing.count()

    def counters(self) -> "dict[str, int]":
        """What telemetry and status say of the outbox."""
        outgoing = self._outgoing
        return {
            "outbox_count": outgoing.count(),
            "outbox_lost": outgoing.lost(),
            "outbox_written_bytes": outgoing.written_bytes,
        }

    # Filling

    def report_update(self, report: messages.Report) -> bool:
        """Queue a signed report; False when it could not be kept. Whatever becomes of it, the update stands."""
        return self.queue("report", messages.report_body(report))

    def queue(self, kind: str, body: "dict[str, Any]") -> bool:
        """Put one message into the outbox; False when it is given up.

        Durable when it returns True, but for telemetry (agent.app.outgoing).
        """
        try:
            seq = self._outgoing.number()
            self._outgoing.put(kind, seq, self._time.now_s(), self._sealed(kind, seq, body))
        except (Rejected, Unavailable) as error:
            self.link_problem = "a message was lost: " + str(error)
            return False
        self.pump()
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
        self._desk.at(_TELEMETRY, self._desk.now + self._interval_s, self._measure)

        def measured(value: "object", error: "CamwardError | None") -> None:
            if error is not None or not isinstance(value, dict):
                return
            value.update(self._facts())
            value.update(self.counters())
            value.update(self._outage.facts())
            try:
                sample = messages.telemetry_body(value)
            except FormatError as wrong:
                self.link_problem = "telemetry: " + str(wrong)
                return
            sample[samples.AT] = self._time.now_s()
            if self._gathering.add(sample):
                self._send_samples()

        self._desk.call("sensors", "telemetry", (), measured)

    def _send_samples(self) -> None:
        found = self._gathering.take()
        if found:
            self.queue(envelope.TELEMETRY, {envelope.SAMPLES: found})

    # Emptying

    def _open_link(self) -> None:
        record = self._record
        if record is None:
            return
        down = "camward/1/" + self._desk.device_id + "/down/"
        topics = (down + "command", down + "receipt") + self.topics_hook()
        host, keep_alive_s = record.broker_host, KEEP_ALIVE_S[record.line]
        self._desk.ports.link.open(host, record.broker_port, record.ca, self._desk.device_id, topics, keep_alive_s)
        self.link_problem, self.link_trouble = "connecting", ""
        self._outage.down("", self._desk.now)

    def linked(self, up: bool, reason: str, trouble: str) -> None:
        """The broker's session came up or went down."""
        self._up = up
        self._in_flight = []
        self._awaits = self._heard = False
        for timer in (_SILENT, _LATE, _UNHEARD):
            self._desk.cancel(timer)
        self._outgoing.again()
        self.began_hook()
        self.link_problem, self.link_trouble = ("", "") if up else (reason, trouble)
        if up:
            self._outage.up(self._desk.now, self._time.now_s())
            self._desk.ports.link.begin()
            self._announce()
        else:
            self._outage.down(trouble, self._desk.now)

    def _announce(self) -> None:
        """Tell the server that this camera is here. Nothing else is sent before somebody has heard it.

        A broker that lost its memory knows of no ingest until that has connected again: it acknowledges all that
        comes meanwhile, and throws it away.
        """
        facts = self._facts()
        birth = messages.encode_state(messages.State(True, facts["version"], facts["slot"], ""))
        if self._desk.ports.link.publish(BIRTH, "camward/1/" + self._desk.device_id + "/state", birth, True):
            self._in_flight.append(BIRTH_NUMBER)
            self._watch()

    def refused(self, name: str) -> None:
        """The broker has not taken it. A message stays in flight, and with it the session ends soon (`silent`)."""
        if name == BIRTH and BIRTH_NUMBER in self._in_flight:
            self._in_flight.remove(BIRTH_NUMBER)
            self._watch()
            self._desk.at(_UNHEARD, self._desk.now + BIRTH_S * (0.5 + self._desk.random()), self._announce)

    def acknowledged(self, name: str) -> None:
        """The broker has it; telemetry is thereby done."""
        if name == BIRTH:
            self._heard = True
        number = BIRTH_NUMBER if name == BIRTH else int(name) if name.isdigit() else -1
        if number in self._in_flight:
            oldest = self._in_flight[0]
            self._in_flight.remove(number)
            if number == oldest:
                self._watch()
        if self._outgoing.acknowledged(number):
            self._await()
        self.pump()

    def pump(self) -> None:
        """Hand over what may be in flight; the link is for others while nothing waits."""
        while self._heard and len(self._in_flight) < IN_FLIGHT:
            found = self._outgoing.next()
            if found is None:
                if self._outgoing.unread:
                    self._await()
                self.spare_hook()
                return
            number, kind, wire = found
            topic = "camward/1/" + self._desk.device_id + "/up/" + kind
            if not self._desk.ports.link.publish(str(number), topic, wire, False):
                self._outgoing.back(number)
                return
            self._in_flight.append(number)
            if len(self._in_flight) == 1:
                self._watch()

    def _watch(self) -> None:
        """The oldest message in flight has its time from now on: what came behind it proves nothing."""
        self._desk.cancel(_SILENT)
        if self._in_flight:
            self._desk.at(_SILENT, self._desk.now + PUBACK_S, self.silent)

    def silent(self) -> None:
        """Nothing is acknowledged any more: the connection is half open, or the broker is stuck."""
        self._desk.say("camward-agent: the broker acknowledges nothing; connecting again")
        self._desk.ports.link.close()
        self.linked(False, "the broker acknowledges nothing", "silent")
        self._desk.at(_REOPEN, self._desk.now + REOPEN_S * self._desk.random(), self._open_link)

    # Receipts

    def receipt(self, body: bytes) -> None:
        """A receipt has come, which is nobody's word until it is verified; soon, and not too many of them."""
        if len(self._receipts) < MAX_RECEIPTS:
            self._receipts.append(body)
            self._desk.at(_VERIFY, max(self._desk.now, self._verify_at), self._verify)

    def _verify(self) -> None:
        """Delete what the oldest of the receipts names, if the operator's director has signed it."""
        desk = self._desk
        found: "tuple[One, ...]" = ()
        try:
            found = taken.verify(self._receipts.pop(0), desk.device_id, self._director())
            self._verify_s = VERIFY_EVERY_S
        except (Rejected, Unavailable) as error:
            self._verify_s = min(2 * self._verify_s, MAX_VERIFY_S)
            if desk.now >= self._said_at + SAY_EVERY_S:
                self._said_at = desk.now
                desk.say("camward-agent: a receipt for messages is refused: " + str(error))
        self._verify_at = desk.now + self._verify_s
        if self._receipts:
            desk.at(_VERIFY, self._verify_at, self._verify)
        for one in found:
            if self._outgoing.taken(one.seq, one.sha256):
                self._late_s = RECEIPT_S
                if one.code:
                    self._outgoing.given_up += 1
                    desk.say("camward-agent: the server refuses message " + str(one.seq) + ": " + one.code)

    def _director(self) -> Repository:
        """The director's repository with the root that counts.

        Raises:
            DamagedRoot: it does not verify.
            Unavailable: the storage fails, or nobody owns this camera.
        """
        if self._record is None:
            raise Unavailable("there is no operator")
        first = self._record.director_root.encode()
        stored = trust_store.stored(self._desk.ports.store, "director", first)
        return Repository("director", {"root": stored["root"]}, self._desk.ports.verify_signature, _keep_nothing)

    def _await(self) -> None:
        """Look in a while whether something has to be sent again."""
        if not self._awaits:
            self._awaits = True
            self._desk.at(_LATE, self._desk.now + self._late_s, self._late)

    def _late(self) -> None:
        """Receipts have not come: from the oldest message on, what has none is sent again."""
        self._awaits = False
        if self._outgoing.unreceipted():
            self._late_s = min(2 * self._late_s, MAX_RECEIPT_S)
            self.pump()


def _nothing() -> None:
    """Nobody shares the link."""


def _keep_nothing(_role: str, _body: bytes) -> None:
    """The root is stored already."""
