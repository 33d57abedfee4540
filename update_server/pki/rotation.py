"""A second CA beside the first, and then in its place, without a camera being cut off on the way.

1. `begin`: it is made, and trusted; new cameras, and by `change_keys` those that are there, trust both.
2. `switch`: it issues; the server's own certificates first, then each camera's when that is renewed.
3. `retire`: the first one is trusted no more; cameras hear of it by `change_keys`.

Each step is refused while there is a camera that it would cut off, and the last one while a consumer has no certificate
by the other CA. The server takes the steps up when it starts.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.formats import ownership
from agent.formats.errors import FormatError
from update_server.db.models import Certificate, Consumer, Device
from update_server.errors import Conflict, NotFound
from update_server.fleet import consumers
from update_server.fleet.ownership import Ownership
from update_server.pki import external
from update_server.pki.authority import Authority, as_pem, fingerprint, is_by, new_ca

MAX_NAMED = 5


@dataclass(frozen=True)
class Standing:
    """One CA: `cameras` have it in their records; `shown` is how many show certificates by it, as they say.

    `consumers`: how many have their newest certificate by it, and may still show it.
    """

    name: str
    sha256: str
    ends_at: int
    issues: bool
    key: str
    cameras: int
    shown: int
    consumers: int


def standing(session: Session, authority: Authority, records: Ownership, now: int) -> list[Standing]:
    """The trusted CAs, the one that issues first."""
    where, found = authority.where(), []
    everyone = list(session.scalars(select(Device)))
    for one in authority.trusted:
        cameras = len(everyone) - len(_without(everyone, records, one))
        shown = sum(1 for device in everyone if _shows(session, device, one))
        found.append(
            Standing(
                one.subject.rfc4514_string(), fingerprint(one), int(one.not_valid_after_utc.timestamp()),
                one == authority.certificate, where[fingerprint(one)], cameras, shown,
                len(holders(session, authority, one, now)),
            )
        )  # fmt: skip
    return found


def begin(authority: Authority, records: Ownership, operator: str, now: datetime, uri: str = "") -> x509.Certificate:
    """Make a second CA, with a new key or with that at `uri`, and have cameras that enrol trust both.

    Raises:
        Conflict: there are two already.
        ServerError: the key cannot be used.
        OSError: it cannot be written.
    """
    if len(authority.trusted) > 1:
        raise Conflict("There are two CAs already.", "See 'camward-server ca list'; retire one first.")
    made = new_ca(authority.folder, operator, now, uri, _number(authority.certificate) + 1)
    authority.trust([authority.certificate, made])
    records.offer_ca(authority.bundle)
    return made


def switch(session: Session, authority: Authority, records: Ownership) -> x509.Certificate:
    """Have the other CA issue from the server's next start on. Returns it.

    Raises:
        Conflict: there is no other one, or cameras do not trust it yet.
        OSError: it cannot be written.
    """
    other = _other(authority)
    missing = _without(list(session.scalars(select(Device))), records, other)
    if missing:
        raise Conflict(
            f"{len(missing)} cameras do not trust the next CA yet: {_named(missing)}.",
            "Bring it to them ('camward-server command prepare change_keys'), or remove them.",
        )
    authority.trust([other, authority.certificate])
    return other


def retire(session: Session, authority: Authority, records: Ownership, now: int) -> tuple[x509.Certificate, str]:
    """Trust the CA that does not issue no more, from the server's next start on. Returns it, and where its key is.

    Raises:
        Conflict: there is no such one, cameras show certificates by it, as far as is known, or consumers have none by
            the other.
        OSError: it cannot be written.
    """
    other = _other(authority)
    everyone = session.scalars(select(Device))
    holding = [
        one for one in everyone
        if not external.certifies(session, one.id) and not _shows(session, one, authority.certificate)
    ]  # fmt: skip
    if holding:
        raise Conflict(
            f"{len(holding)} cameras have not said that they show a certificate by the present CA: {_named(holding)}.",
            "They renew within two thirds of 'certificate_days'; remove those that do not come any more.",
        )
    left = holders(session, authority, other, now)
    if left:
        raise Conflict(
            f"{len(left)} consumers have no certificate by the present CA: {_listed([one.name for one in left])}.",
            "Give each one ('camward-server consumer renew'), or remove them.",
        )
    key = authority.where()[fingerprint(other)]
    authority.trust([authority.certificate])
    records.offer_ca(authority.bundle)
    return other, key


def holders(session: Session, authority: Authority, ca: x509.Certificate, now: int) -> list[Consumer]:
    """The consumers whose newest certificate is by this CA, and good. Whether they use it yet, nobody knows here."""
    oldest = min(authority.trusted, key=lambda one: one.not_valid_before_utc)
    known_as = (fingerprint(ca), "") if ca == oldest else (fingerprint(ca),)
    return [one for one in consumers.everyone(session) if one.expires_at > now and one.ca_sha256 in known_as]


def _other(authority: Authority) -> x509.Certificate:
    if len(authority.trusted) < 2:
        raise Conflict("There is one CA only.", "Make another with 'camward-server ca new'.")
    return authority.trusted[1]


def _without(everyone: list[Device], records: Ownership, ca: x509.Certificate) -> list[Device]:
    """The cameras in whose records this CA is not, or whose records nobody can read."""
    pem, known = as_pem(ca).strip(), {}
    for sha256 in {one.ownership_sha256 for one in everyone}:
        try:
            known[sha256] = pem in ownership.parse(records.record(sha256)).ca
        except (FormatError, NotFound):
            known[sha256] = False
    return [one for one in everyone if not known[one.ownership_sha256]]


def _shows(session: Session, device: Device, ca: x509.Certificate) -> bool:
    """Whether the certificate of which the camera's telemetry says the end is one by this CA, and none by another."""
    ends_at = device.telemetry.get("certificate_ends_at")
    mine = select(Certificate.der).where(Certificate.device_id == device.id, Certificate.expires_at == ends_at)
    found = [x509.load_der_x509_certificate(der) for der in session.scalars(mine)] if isinstance(ends_at, int) else []
    return bool(found) and all(is_by(one, ca) for one in found)


def _number(ca: x509.Certificate) -> int:
    """The number at the end of a CA's name; 1 without one."""
    last = ca.subject.rfc4514_string().split(",")[0].rpartition(" ")[2]
    return int(last) if last.isascii() and last.isdigit() else 1


def _named(cameras: list[Device]) -> str:
    return _listed([one.serial for one in cameras])


def _listed(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMED]) + (" ..." if len(names) > MAX_NAMED else "")
