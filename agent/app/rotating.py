"""Another key for the device's identity: made, certified by the one in place, tried, and only then in its place.

As a renewal (agent.app.renewing), with a key that changes: the new pair lies beside the old one until a session with
the broker stands that was made with it, and wherever the power fails one of two pairs is whole (agent.app.identity).
The device id stays: it is the hash of the first key, and is kept by name from the first rotation on (ADR 0041).
"""

from agent.app import identity
from agent.app.identity import CERTIFICATE, IDENTITY, NAME, RENEWED_CERTIFICATE, ROTATED, ROTATED_CERTIFICATE, ROTATION
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.renewing import Renewing
    from agent.app.reporting import Reporting
    from agent.formats.errors import CamwardError
    from agent.formats.ownership import Ownership

    Told = Callable[[str], None]

FAILED = "failed"
LOOK_S = 10.0  # until the renewal under way has come to its end
ASK_S = 60.0  # until a server that is away is asked again
WAIT_S = 1800.0  # for the server, or for that renewal
TRY_S = 180.0  # until a session with the new pair stands
_TIMER = "rotation"


class Rotating:
    """At most one rotation, which the commands see to: they come one after the other."""

    def __init__(self, desk: "Desk", reporting: "Reporting", renewing: "Renewing") -> None:
        self._desk = desk
        self._reporting = reporting
        self._renewing = renewing
        self._owner: "Ownership | None" = None
        self._by = ""
        self._until = 0.0
        self._trying = False
        self._told: "Told" = lambda _: None

    def enrolled(self, record: "Ownership") -> None:
        """There is an owner, whose server certifies keys."""
        self._owner = record

    def linked(self, up: bool) -> None:
        """The broker's session came up or went down."""
        if up:
            self._proven()

    def rotate(self, by: str, told: "Told") -> None:
        """Begin, or go on; `by` tells this rotation from others. `told` empty when it is done, else FAILED.

        FAILED leaves the pair that was in place.
        """
        self._by, self._told, self._until = by, told, self._desk.now + WAIT_S
        self._begin()

    def _begin(self) -> None:
        store, desk = self._desk.ports.store, self._desk
        try:
            waiting = store.read(ROTATED_CERTIFICATE)
            if waiting is None and identity.named(store)[1] == self._by:
                self._told("")  # by the last run, which had no time to say so
                return
            if self._renewing.busy():
                self._again(LOOK_S, "a renewal is under way")
                return
            if store.read(ROTATION) != self._by.encode():
                # What an earlier one has left was certified for that, and the server counts on another key now.
                store.delete(ROTATED_CERTIFICATE)
                desk.ports.keys.forget(ROTATED)
                store.write(ROTATION, self._by.encode())
                waiting = None
            if waiting is None:
                desk.ports.keys.ensure(ROTATED)
        except Unavailable as error:
            self._again(ASK_S, str(error))
            return
        self._renewing.held = True
        if waiting is not None:
            self._try()
        elif self._owner is not None:
            owner = self._owner
            asked = (owner.server_url, owner.ca, desk.device_id, desk.label.serial, IDENTITY, ROTATED)
            desk.call("enroller", "rekey", asked, self._answered)

    def _again(self, after_s: float, problem: str) -> None:
        desk = self._desk
        if desk.now >= self._until:
            self._give_up(problem)
        else:
            desk.at(_TIMER, desk.now + after_s, self._begin)

    def _answered(self, value: "object", error: "CamwardError | None") -> None:
        try:
            if error is not None:
                raise error
            if not isinstance(value, bytes):
                raise Unavailable("no certificate")
            self._desk.ports.store.write(ROTATED_CERTIFICATE, value)
        except Rejected as caught:
            self._give_up(str(caught))
        except Unavailable as caught:
            self._again(ASK_S, str(caught))
        else:
            self._try()

    def _try(self) -> None:
        self._trying = True
        self._show(ROTATED_CERTIFICATE, ROTATED, self._shown)

    def _show(self, certificate: str, key: str, then: "Callable[[object, CamwardError | None], None]") -> None:
        self._reporting.linked(False, "connecting with the identity", "")
        self._desk.call("link", "show", (certificate, key), then)

    def _shown(self, _value: "object", error: "CamwardError | None") -> None:
        """The link connects by itself from here on, and may have been faster than this answer."""
        if not self._trying:
            return
        if error is not None:
            self._give_up(str(error))
        else:
            self._desk.at(_TIMER, self._desk.now + TRY_S, lambda: self._give_up("no session with the new key"))
            self._proven()

    def _proven(self) -> None:
        if self._trying and self._desk.ports.link.shown() == ROTATED_CERTIFICATE:
            self._desk.cancel(_TIMER)
            self._replace()

    def _replace(self) -> None:
        """The new pair takes the place of the old one: from the write of its certificate on that is decided."""
        store = self._desk.ports.store
        try:
            body = store.read(ROTATED_CERTIFICATE)
            if body is None:
                raise Unavailable("the new certificate is gone")
            store.write(NAME, identity.encode_name(self._desk.device_id, self._by))
            store.delete(RENEWED_CERTIFICATE)  # of the old key
            store.write(CERTIFICATE, body)
            identity.finish_rotation(self._desk.ports)
        except Unavailable as error:
            self._desk.say("camward-agent: the new identity cannot be stored: " + str(error))
            self._desk.at(_TIMER, self._desk.now + LOOK_S, self._replace)
            return
        self._trying = False
        self._desk.say("camward-agent: the identity has another key")
        self._show(CERTIFICATE, IDENTITY, lambda _value, _error: self._ended(""))

    def _give_up(self, problem: str) -> None:
        """The old pair stays."""
        self._desk.cancel(_TIMER)
        self._desk.say("camward-agent: the identity keeps its key: " + problem)
        ports, tried = self._desk.ports, self._trying
        self._trying = False
        try:
            ports.store.delete(ROTATED_CERTIFICATE)
            ports.keys.forget(ROTATED)
        except Unavailable:
            pass  # tried first by the next rotation
        if tried:
            self._show(CERTIFICATE, IDENTITY, lambda _value, _error: self._ended(FAILED))
        else:
            self._ended(FAILED)

    def _ended(self, code: str) -> None:
        self._renewing.release()
        told, self._told = self._told, lambda _: None
        told(code)
