"""A transfer: the next operator certifies a fresh key while the former one is still in charge; then the handover.

`enrol/transfer.json` holds the token until then. Until the handover has begun, a refusal or a dead server costs
nothing: the camera stays with the operator it has.
"""

from agent.app import enrolment_state, handover
from agent.app.identity import NEXT, NEXT_CERTIFICATE, device_id
from agent.core import backoff
from agent.formats import token
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk
    from agent.app.handover import Handover
    from agent.formats.errors import CamwardError
    from agent.formats.token import Token

RETRY_FIRST_S = 5.0
RETRY_MAX_S = 600.0
OBSTACLE_S = 30.0  # a trial boot takes minutes
_TIMER = "transfer"


class Transferring:
    """At most one transfer; a new token takes the place of the one before."""

    def __init__(self, desk: "Desk", going: "Handover") -> None:
        self._desk = desk
        self._handover = going
        self._round = 0
        self._attempt = 0
        self.under_way = False
        self.problem = ""

    def start(self) -> None:
        """Go on with a transfer that was under way."""
        body = self._desk.ports.store.read(enrolment_state.TRANSFER)
        if body is None:
            return
        try:
            _, parsed = enrolment_state.decode(body)
        except FormatError as error:
            self._give_up(error)
            return
        self.under_way = True
        if self._desk.ports.store.read(NEXT_CERTIFICATE) is None:
            self._certify(parsed)
        else:
            self._hand_over(parsed)

    def begin(self, text: str) -> str:
        """Begin with a pasted token; returns what is wrong with it, empty when the transfer has begun."""
        store = self._desk.ports.store
        try:
            parsed = token.parse(text)
            # What an earlier token got is of no use any more.
            store.delete(NEXT_CERTIFICATE)
            self._desk.ports.keys.forget(NEXT)
            store.write(enrolment_state.TRANSFER, enrolment_state.encode("certifying", parsed))
        except (FormatError, Unavailable) as error:
            return str(error)
        self.under_way = True
        self.problem = ""
        self._attempt = 0
        self._desk.cancel(_TIMER)
        self._certify(parsed)
        return ""

    def _certify(self, parsed: "Token") -> None:
        self._round += 1
        number = self._round
        desk = self._desk

        def ended(value: "object", error: "CamwardError | None") -> None:
            if number != self._round:
                return  # of a token that another one has replaced
            if error is None and isinstance(value, bytes):
                self._certified(value, parsed)
            elif isinstance(error, Rejected):
                self._give_up(error)
            else:
                self._later(error or Unavailable("no certificate"), parsed)

        try:
            following = device_id(desk.ports.keys.ensure(NEXT))
        except Unavailable as error:
            self._later(error, parsed)
            return
        desk.call("enroller", "certify", (parsed, following, desk.label.serial, NEXT), ended)

    def _certified(self, certificate: bytes, parsed: "Token") -> None:
        try:
            self._desk.ports.store.write(NEXT_CERTIFICATE, certificate)
        except Unavailable as error:
            self._later(error, parsed)
            return
        self._hand_over(parsed)

    def _hand_over(self, parsed: "Token") -> None:
        self.problem = self._handover.begin(handover.TRANSFER, token.encode(parsed))
        if self.problem:
            desk = self._desk
            desk.at(_TIMER, desk.now + OBSTACLE_S, lambda: self._hand_over(parsed))

    def _give_up(self, error: "CamwardError") -> None:
        """What is wrong will be wrong again; the operator stays."""
        self.problem = str(error)
        self.under_way = False
        try:
            self._desk.ports.store.delete(enrolment_state.TRANSFER)
            self._desk.ports.keys.forget(NEXT)
        except Unavailable:
            pass  # the next start tries once more, and is refused again

    def _later(self, error: "CamwardError", parsed: "Token") -> None:
        self.problem = str(error)
        self._attempt += 1
        desk = self._desk
        delay = backoff.delay_s(self._attempt, RETRY_FIRST_S, RETRY_MAX_S, desk.random())
        desk.at(_TIMER, desk.now + max(1.0, delay), lambda: self._certify(parsed))
