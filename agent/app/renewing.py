"""The renewal of the device's certificate: asked for in time, tried, and only then in the place of the old one.

The new certificate lies beside the old one (`identity/renewed-certificate.pem`) until a session with the broker stands
that was made with it; the old one is good until then, and wherever the power fails one of the two is. Only when the
old one has ended is there nothing to wait for. The key stays: the device id is its hash.

When it is time is decided by agent.core.renewal, by proven time alone. A camera that gets no session and knows no time
asks for a receipt first, as one does whose certificate ended while it lay in a warehouse (docs/adr/0030-renewal.md).
"""

from hashlib import sha256

from agent.app.identity import CERTIFICATE, IDENTITY, RENEWED_CERTIFICATE
from agent.app.trust_store import stored
from agent.core import backoff, renewal
from agent.formats import certificate, utc
from agent.formats.certificate import Validity
from agent.formats.errors import Busy, FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk
    from agent.app.reporting import Reporting
    from agent.app.trusted_time import TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.ownership import Ownership

LOOK_EVERY_S = 900.0
TRY_S = 180.0  # until a session with the new certificate stands; the link tries again after seconds
SILENT_S = 600.0  # without a session, until the camera asks what time it is
_TIMER = "renewal"
_TRIAL = "renewal trial"


class Renewing:
    """At most one renewal: first the server's answer is waited for (`_waits`), then a session (`_trying`)."""

    def __init__(self, desk: "Desk", time: "TrustedTime", reporting: "Reporting") -> None:
        self._desk = desk
        self._time = time
        self._reporting = reporting
        self._owner: "Ownership | None" = None
        self._attempt = 0
        self._waits = False
        self._trying = False
        self._was_up = False
        self._suspected = False  # the new certificate got no session: it is at fault if the old one gets one now
        self._down_at: "float | None" = None  # since when there is no session, by the monotonic clock
        self.held = False  # while the identity gets another key (agent.app.rotating)
        self.problem = ""
        self.ends_at: "int | None" = None
        """When the certificate that is in place ends, in Unix seconds; None without one."""

    def enrolled(self, record: "Ownership") -> None:
        """There is an owner, whose server renews the certificate; go on with a renewal that was under way."""
        self._owner = record
        if self._down_at is None and not self._reporting.is_up():
            self._down_at = self._desk.now
        try:
            self._in_place()  # telemetry is measured before the first look
        except (FormatError, Unavailable):
            pass  # the look finds it as well, and says so
        self._desk.soon(_TIMER, self._look)

    def linked(self, up: bool) -> None:
        """The broker's session came up or went down."""
        if up:
            self._down_at = None
            self._proven()
        elif self._down_at is None:
            self._down_at = self._desk.now

    def busy(self) -> bool:
        """Whether a renewal is under way."""
        return self._waits or self._trying or self._suspected

    def release(self) -> None:
        """The rotation has come to its end: look what certificate is in place."""
        self.held = False
        self._desk.soon(_TIMER, self._look)

    def status(self) -> "dict[str, str]":
        """Until when the certificate in place is good, and what keeps it from being renewed."""
        return {"ends": "" if self.ends_at is None else utc.render(self.ends_at), "problem": self.problem}

    def _look(self) -> None:
        self._desk.at(_TIMER, self._desk.now + LOOK_EVERY_S, self._look)
        if self._waits or self._trying or self.held:
            return
        try:
            found, spread = self._in_place()
            waiting = self._desk.ports.store.read(RENEWED_CERTIFICATE)
        except (FormatError, Unavailable) as error:
            self.problem = "the certificate cannot be read: " + str(error)
            return
        if waiting is not None:
            self._try()
        elif self._time.at_least_s() >= renewal.due_at(found, spread):
            self._renew()
        elif self._silent() and not self._time.certain():
            self._ask_time()
        else:
            self._attempt = 0
            self.problem = ""

    def _in_place(self) -> "tuple[Validity, float]":
        """The dates of the certificate in place, and what spreads this camera's renewal: the same at each start.

        Raises:
            FormatError: there is none, or it is damaged.
            Unavailable: the storage fails.
        """
        der = certificate.first(self._desk.ports.store.read(CERTIFICATE) or b"")
        found = certificate.validity(der)
        self.ends_at = found.not_after_at
        return found, int.from_bytes(sha256(der).digest()[:4], "big") / 0x100000000

    def _silent(self) -> bool:
        return self._down_at is not None and self._desk.now >= self._down_at + SILENT_S

    def _ask_time(self) -> None:
        """The certificate may have ended long ago, by a time that this camera does not know."""
        if self._owner is None:
            return

        def answered(_corrected: bool, _error: "CamwardError | None") -> None:
            if self._time.certain():
                self._desk.soon(_TIMER, self._look)

        try:
            root = stored(self._desk.ports.store, "director", self._owner.director_root.encode())["root"]
        except Unavailable:
            return
        self._time.put_right(root or b"", answered)

    # Asking

    def _renew(self) -> None:
        owner, desk = self._owner, self._desk
        if owner is None:
            return
        self._waits = True
        asked = (owner.est_url or owner.server_url, owner.ca, desk.device_id, desk.label.serial, IDENTITY)
        desk.call("enroller", "renew", asked, self._answered)

    def _answered(self, value: "object", error: "CamwardError | None") -> None:
        self._waits = False
        try:
            if error is not None:
                raise error
            if not isinstance(value, bytes):
                raise Unavailable("no certificate")
            old, _ = self._in_place()
            if not renewal.is_later(certificate.validity(certificate.first(value)), old):
                raise Rejected("the server's certificate is no later than the one there is")
            self._desk.ports.store.write(RENEWED_CERTIFICATE, value)
        except (Rejected, Unavailable) as caught:
            self._later(str(caught), caught.retry_after_s if isinstance(caught, Busy) else 0.0)
            return
        self._try()

    # Trying

    def _try(self) -> None:
        """Have the link show the new certificate; there is no need to where the old one is good for nothing."""
        ended = self.ends_at is not None and self._time.at_least_s() > self.ends_at
        if ended or self._desk.ports.link.shown() == RENEWED_CERTIFICATE:
            self._replace()
        else:
            self._trying, self._suspected = True, False
            self._was_up = self._reporting.is_up()
            self._show(RENEWED_CERTIFICATE)

    def _show(self, name: str) -> None:
        self._reporting.linked(False, "connecting with the certificate", "")
        self._desk.call("link", "show", (name, IDENTITY), self._shown)

    def _shown(self, _value: "object", error: "CamwardError | None") -> None:
        """The link connects by itself from here on, and may have been faster than this answer."""
        if self._trying and error is not None:
            self._failed(tried=False)
        elif self._trying:
            self._desk.at(_TRIAL, self._desk.now + TRY_S, self._failed)
            self._proven()
        elif error is None:
            self._proven()
        else:
            self._suspected = False
            self._desk.at(_TRIAL, self._desk.now + LOOK_EVERY_S, lambda: self._show(CERTIFICATE))

    def _proven(self) -> None:
        """If the session that stands was made with the new certificate: it takes the place of the old one."""
        shown = self._desk.ports.link.shown()
        if self._trying and shown == RENEWED_CERTIFICATE:
            self._trying = False
            self._desk.cancel(_TRIAL)
            self._replace()
        elif self._suspected and shown == CERTIFICATE:
            self._acquit()
            try:
                self._desk.ports.store.delete(RENEWED_CERTIFICATE)
            except Unavailable:
                pass  # it is tried once more, then

    def _acquit(self) -> None:
        """From here on a session with the old certificate says nothing about the new one: too long has passed."""
        self._suspected = False
        self._desk.cancel(_TRIAL)

    def _replace(self) -> None:
        store = self._desk.ports.store
        try:
            body = store.read(RENEWED_CERTIFICATE)
            if body is not None:
                store.write(CERTIFICATE, body)
                store.delete(RENEWED_CERTIFICATE)
            self._in_place()
        except (FormatError, Unavailable) as error:
            self._later("the new certificate cannot be stored: " + str(error))
            return
        self._desk.say("camward-agent: the certificate is renewed until " + self.status()["ends"])
        self._show(CERTIFICATE)  # the same, by the name that stays
        self._later("")  # not at once again, whatever dates the server gives

    def _failed(self, tried: bool = True) -> None:
        """Back to the old one. With that one there was a session: if there is one again soon, the new one is at fault.

        Only then it goes: where the network or the broker was away meanwhile, nothing is known against it.
        """
        self._trying = False
        self._desk.cancel(_TRIAL)
        self._suspected = tried and self._was_up
        if self._suspected:
            self._desk.at(_TRIAL, self._desk.now + TRY_S, self._acquit)
        self._show(CERTIFICATE)
        self._later("the broker does not take the new certificate")

    def _later(self, problem: str, least_s: float = 0.0) -> None:
        self.problem = problem
        self._attempt += 1
        desk = self._desk
        if problem:
            desk.say("camward-agent: the certificate is not renewed: " + problem)
        try:
            found, _ = self._in_place()
            delay = renewal.retry_s(found, self._attempt, desk.random())
        except (FormatError, Unavailable):
            delay = LOOK_EVERY_S
        desk.at(_TIMER, desk.now + max(delay, backoff.spread_s(least_s, desk.random())), self._look)
