"""The certificate by which recorders and browsers know this camera's services: the operator's CA issues it.

It is for the services' own key, which the camera's programs read; the identity's key is none of theirs. It is asked for
as soon as there is an owner, and again from two thirds of its life on, by proven time, like the identity's own
(agent.app.renewing); and anew where the owner's CA is another one.
"""

from binascii import hexlify
from hashlib import sha256

from agent.app.identity import IDENTITY
from agent.core import backoff, renewal
from agent.formats import certificate, utc
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.ownership import Ownership

ISSUER = "identity/services-issuer"  # SHA-256 of the CA that the certificate is by, and of the id that it names
LOOK_EVERY_S = 900.0
_TIMER = "services' certificate"


class Serving:
    """At most one request at a time."""

    def __init__(self, desk: "Desk", time: "TrustedTime") -> None:
        self._desk = desk
        self._time = time
        self._owner: "Ownership | None" = None
        self._waits = False
        self._attempt = 0
        self.problem = ""
        self.ends_at: "int | None" = None
        """When the issued certificate ends, in Unix seconds; None without one."""

    def enrolled(self, record: "Ownership") -> None:
        """There is an owner, whose CA issues the certificate."""
        self._owner = record
        self._desk.soon(_TIMER, self._look)

    def status(self) -> "dict[str, str]":
        """Until when the issued certificate is good, and what keeps it from being issued."""
        return {"ends": "" if self.ends_at is None else utc.render(self.ends_at), "problem": self.problem}

    def _look(self) -> None:
        self._desk.at(_TIMER, self._desk.now + LOOK_EVERY_S, self._look)
        owner, desk = self._owner, self._desk
        if self._waits or owner is None:
            return
        issuer = hexlify(sha256((desk.device_id + "\n" + owner.ca).encode()).digest())
        try:
            due = self._is_due(issuer)
        except Unavailable as error:
            self.problem = str(error)
            return
        if due:
            self._waits = True
            asked = (owner.server_url, owner.ca, desk.device_id, desk.label.serial, IDENTITY)
            desk.call("enroller", "certify_services", asked, lambda value, error: self._answered(issuer, value, error))

    def _is_due(self, issuer: bytes) -> bool:
        """Whether there is none, or it is another CA's, damaged, or old enough to be renewed.

        Raises:
            Unavailable: the storage fails.
        """
        held = self._desk.ports.web_certificate.issued()
        if held is None or self._desk.ports.store.read(ISSUER) != issuer:
            self.ends_at = None
            return True
        try:
            der = certificate.first(held)
            found = certificate.validity(der)
        except FormatError:
            self.ends_at = None
            return True
        self.ends_at = found.not_after_at
        spread = int.from_bytes(sha256(der).digest()[:4], "big") / 0x100000000
        return self._time.at_least_s() >= renewal.due_at(found, spread)

    def _answered(self, issuer: bytes, value: "object", error: "CamwardError | None") -> None:
        self._waits = False
        ports = self._desk.ports
        try:
            if error is not None:
                raise error
            if not isinstance(value, tuple):
                raise Unavailable("no certificate")
            name, chain = value
            ports.web_certificate.keep(name, chain)
            ports.store.write(ISSUER, issuer)
            if self._is_due(issuer):
                raise Unavailable("the server's certificate has to be renewed already")
        except (Rejected, Unavailable) as caught:
            self._attempt += 1
            self.problem = str(caught)
            delay = backoff.delay_s(self._attempt, renewal.RETRY_FIRST_S, renewal.RETRY_MAX_S, self._desk.random())
            self._desk.at(_TIMER, self._desk.now + max(renewal.RETRY_LEAST_S, delay), self._look)
            return
        self._attempt = 0
        self.problem = ""
        self._desk.say("camward-agent: the services' certificate is for " + name)
