"""Enrolment: a one-time token becomes a certificate, an ownership record, and an introduction; resumable at every step.

`enrol/state.json` holds the phase and the token until the last step is done. Phases: certifying, owning, introducing.
The token is pasted by a claimed administrator, or comes from the factory's voucher, or from a transfer that has gone on
to owning (agent.app.handover).
"""

from binascii import hexlify
from hashlib import sha256

from agent.app import enrolment_state
from agent.app.checking import forget_director
from agent.app.enrolment_state import ENROLMENT
from agent.app.identity import CERTIFICATE, EVIDENCE, IDENTITY
from agent.core import backoff
from agent.formats import base64, ownership, token
from agent.formats.errors import Busy, FormatError, Rejected, Unavailable
from agent.formats.json import dump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.vouching import Vouching
    from agent.formats.errors import CamwardError
    from agent.formats.ownership import Ownership
    from agent.formats.token import Token

    Enrolled = Callable[[Ownership], None]

RECORD = "ownership/record.json"
RETRY_FIRST_S = 5.0
RETRY_MAX_S = 600.0
_TIMER = "enrol"


class WrongOwner(Rejected):
    """The ownership record is not the one that the token names."""

    code = "wrong_owner"


class Enrolling:
    """The enrolment part of the agent."""

    def __init__(self, desk: "Desk", vouching: "Vouching", enrolled: "Enrolled") -> None:
        """`enrolled(record)` is called when the device has an owner: after enrolment, and at each start."""
        self._desk = desk
        self._vouching = vouching
        self._enrolled = enrolled
        self._attempt = 0
        self._round = 0
        self.phase = "none"
        self.problem = ""
        self.operator = ""
        self.server_url = ""

    def start(self) -> None:
        """Go on with an enrolment, or serve the owner there is, or begin with the factory's voucher."""
        store = self._desk.ports.store
        body, record = store.read(ENROLMENT), store.read(RECORD)
        try:
            if body is not None:
                self._run(*enrolment_state.decode(body))
            elif record is not None:
                self._serve(ownership.parse(record))
            else:
                self._use_voucher()
        except FormatError as error:
            what = "stored enrolment" if body is not None else "ownership record"
            self.problem = "the " + what + " is damaged: " + str(error)

    def has_operator(self) -> bool:
        """Whether there is something to leave: an owner, or an enrolment or voucher that may still lead to one.

        Raises:
            Unavailable: the storage fails.
        """
        return self.phase != "none" or self._desk.ports.store.read(RECORD) is not None or self._vouching.waits()

    def begin(self, text: str) -> str:
        """Begin with a pasted token; returns what is wrong with it, empty when the enrolment has begun.

        As long as no server has certified this camera, another token takes the place of the one before.
        """
        if self.phase not in ("none", "certifying"):
            return "this camera is enrolled already" if self.phase == "enrolled" else "an enrolment is under way"
        try:
            parsed = token.parse(text)
        except FormatError as error:
            return str(error)
        self.problem = ""
        self._desk.cancel(_TIMER)
        self._go("certifying", parsed)
        return ""

    def _use_voucher(self) -> None:
        try:
            found = self._vouching.token()
        except (Rejected, Unavailable) as error:
            self.problem = "the factory's voucher: " + str(error)
            return
        if found is not None:
            self._go("certifying", found)

    def _go(self, phase: str, parsed: "Token") -> None:
        """Save the phase, then do its work."""
        try:
            self._desk.ports.store.write(ENROLMENT, enrolment_state.encode(phase, parsed))
        except Unavailable as error:
            self._later(error, lambda: self._go(phase, parsed))
            return
        self._attempt = 0
        self._run(phase, parsed)

    def _run(self, phase: str, parsed: "Token") -> None:
        self.phase = phase
        desk = self._desk
        try:
            if phase == "certifying":
                certify = (parsed, desk.device_id, desk.label.serial, IDENTITY)
                desk.call("enroller", "certify", certify, self._after(parsed, self._certified))
                return
            # Nothing signed by the director is known yet, so nothing could put a wrong clock right.
            desk.ports.clockless.open(parsed.url, _pem(parsed.ca))
            if phase == "owning":
                get = ("/device/v1/ownership", ownership.MAX_RECORD_BYTES)
                desk.call("clockless", "get", get, self._after(parsed, self._owned))
            else:
                put = ("/device/v1/identity", self._introduction())
                desk.call("clockless", "put", put, self._after(parsed, self._introduced))
        except (Rejected, Unavailable) as error:
            self._failed(error, parsed)

    def _after(
        self, parsed: "Token", then: "Callable[[object, Token], None]"
    ) -> "Callable[[object, CamwardError | None], None]":
        self._round += 1
        number = self._round

        def ended(value: "object", error: "CamwardError | None") -> None:
            if number != self._round:
                return  # of a token that another one has replaced
            try:
                if error is not None:
                    raise error
                then(value, parsed)
            except (Rejected, Unavailable) as caught:
                self._failed(caught, parsed)

        return ended

    def _certified(self, value: "object", parsed: "Token") -> None:
        if not isinstance(value, bytes):
            raise Unavailable("no certificate")
        self._desk.ports.store.write(CERTIFICATE, value)
        self._go("owning", parsed)

    def _owned(self, value: "object", parsed: "Token") -> None:
        if not isinstance(value, bytes):
            raise Unavailable("the server has no ownership record for this device yet")
        if str(hexlify(sha256(value).digest()), "utf-8") != parsed.ownership_sha256:
            raise WrongOwner("the record is not the one that the token names")
        ownership.parse(value)
        store = self._desk.ports.store
        if store.read(RECORD) != value:
            forget_director(store)
            store.write(RECORD, value)
        self._go("introducing", parsed)

    def _introduction(self) -> bytes:
        desk = self._desk
        key, unsealing = desk.ports.keys.ensure(EVIDENCE), desk.ports.unsealer.public()
        return dump(
            {
                "v": 1,
                "evidence_public_key": _pem(key, "PUBLIC KEY"),
                "unsealing_public_key": _pem(unsealing, "PUBLIC KEY"),
                "serial": desk.label.serial,
                "model": desk.config.model,
                "hardware": desk.label.hardware,
                "version": desk.config.version,
            }
        )

    def _introduced(self, _value: "object", _parsed: "Token") -> None:
        record = self._desk.ports.store.read(RECORD)
        if record is None:
            raise Unavailable("the ownership record is gone")
        found = ownership.parse(record)
        self._vouching.used_up()
        self._desk.ports.store.delete(ENROLMENT)
        self._serve(found)

    def serve_again(self) -> None:
        """The ownership record has other keys: open every connection by them."""
        record = self._desk.ports.store.read(RECORD)
        if record is not None:
            self._serve(ownership.parse(record))

    def _serve(self, record: "Ownership") -> None:
        ports = self._desk.ports
        for fetcher in (ports.fetcher, ports.clockless, ports.downloader):
            fetcher.open(record.server_url, record.ca)
        self.phase = "enrolled"
        self.operator = record.operator
        self.server_url = record.server_url
        try:
            self._enrolled(record)
        except Unavailable as error:
            # A certificate that rotted, say: no reason not to start, for then people could not even log in.
            self._later(error, lambda: self._serve(record))

    def _failed(self, error: "CamwardError", parsed: "Token") -> None:
        """What is wrong will be wrong again and ends the enrolment; what is unavailable is tried again."""
        phase = self.phase
        if isinstance(error, Rejected):
            self.problem = str(error)
            self.phase = "none"
            try:
                self._desk.ports.store.delete(ENROLMENT)
            except Unavailable:
                pass  # the next start tries once more, and is refused again
        else:
            self._later(error, lambda: self._run(phase, parsed))

    def _later(self, error: "CamwardError", again: "Callable[[], None]") -> None:
        self.problem = str(error)
        self._attempt += 1
        delay = backoff.delay_s(self._attempt, RETRY_FIRST_S, RETRY_MAX_S, self._desk.random())
        if isinstance(error, Busy):
            delay = max(delay, backoff.spread_s(error.retry_after_s, self._desk.random()))
        self._desk.at(_TIMER, self._desk.now + max(1.0, delay), again)


def _pem(der: bytes, what: str = "CERTIFICATE") -> str:
    text = base64.encode(der)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n" % (what, "\n".join(lines), what)
