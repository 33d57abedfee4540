"""Factory certificates: a camera shows what its manufacturer gave it (IEEE 802.1AR, IDevID) for a token's secret.

The certificate has to be by a CA that was added here, directly: TLS and this module both look at that. It names the
camera by the one serialNumber in its subject (802.1AR, 8.6), and opens simpleenroll, nothing else.
"""

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from update_server.db.models import Device, FactoryCa, FactoryDevice
from update_server.errors import BadInput, Conflict, Forbidden, NotFound, TooManyAttempts, Unauthenticated
from update_server.pki import est
from update_server.pki.authority import is_by

HOUR_S = 3600
HOURLY_CAMERAS = 500  # by one CA: more than people can put up, and a stolen CA does not fill the register in a night
MAX_NAME_CHARS = 64
REFUSED = "The factory certificate does not open this server."


def add(session: Session, name: str, pem: bytes, *, anybody: bool, model: str, now: int) -> FactoryCa:
    """Trust a manufacturer's CA, given by its certificate; an intermediate one is as good as a root.

    Raises:
        BadInput: it is no certificate of a CA, or the name is none.
        Conflict: the name or the CA is there already.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        may_issue = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        may_issue = False
    if not may_issue:
        raise BadInput("That is no CA's certificate in PEM.", "Name the certificate of the CA that certifies cameras.")
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise BadInput(f"{name!r} is no name.", f"Use 1 to {MAX_NAME_CHARS} characters.")
    text = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
    same = select(FactoryCa).where((FactoryCa.name == name) | (FactoryCa.pem == text))
    known = session.scalars(same.limit(1)).first()
    if known is not None:
        raise Conflict(f"There is a factory CA {known.name} already.", "See 'camward-server factory-ca list'.")
    row = FactoryCa(name=name, pem=text, anybody=anybody, model=model, added_at=now)
    session.add(row)
    return row


def find(session: Session, name: str) -> FactoryCa:
    """The factory CA of that name.

    Raises:
        NotFound: there is none.
    """
    row = session.get(FactoryCa, name)
    if row is None:
        raise NotFound(f"There is no factory CA {name!r}.", "See 'camward-server factory-ca list'.")
    return row


def allow(session: Session, ca: FactoryCa, serials: Iterable[str]) -> int:
    """Let these cameras enrol by their factory certificates, once; those that have may again. Returns how many.

    Raises:
        BadInput: one is no serial number.
    """
    wanted = list(dict.fromkeys(serials))
    for serial in wanted:
        if not est.SERIAL.match(serial):
            raise BadInput(f"{serial!r} is no serial number.", "Copy it from the camera's label.")
        row = session.get(FactoryDevice, (ca.name, serial))
        if row is None:
            session.add(FactoryDevice(ca=ca.name, serial=serial))
        else:
            row.device_id = None
    return len(wanted)


def anchors(session: Session) -> list[str]:
    """The certificates of all factory CAs, as PEM."""
    return list(session.scalars(select(FactoryCa.pem).order_by(FactoryCa.name)))


def redeem(session: Session, peer: x509.Certificate, request: est.Request, device_id: str, now: int) -> FactoryCa:
    """Use up a camera's right to enrol by the certificate that it has shown in TLS; the same key may ask again.

    Raises:
        Unauthenticated: the certificate is by none of the factory CAs, or not in its time.
        Forbidden: this camera may not, has enrolled already, or is denied.
        BadInput: the request names another serial number.
        TooManyAttempts: too many cameras of this CA came within an hour.
    """
    ca = next((row for row in session.scalars(select(FactoryCa)) if is_by(peer, _read(row))), None)
    if ca is None or not peer.not_valid_before_utc.timestamp() <= now <= peer.not_valid_after_utc.timestamp():
        raise Unauthenticated(REFUSED, "Its manufacturer's CA is unknown here, or the certificate has ended.")
    serial = _only(peer, NameOID.SERIAL_NUMBER)
    if serial != request.serial:
        raise BadInput("The serial number differs from the one in the factory certificate.")
    row = session.get(FactoryDevice, (ca.name, serial), with_for_update=True)
    if row is None:
        if not ca.anybody or ca.model not in ("", _only(peer, NameOID.ORGANIZATIONAL_UNIT_NAME)):
            raise Forbidden(REFUSED, f"Allow it: 'camward-server factory-ca allow {ca.name} {serial}'.")
        row = FactoryDevice(ca=ca.name, serial=serial)
        session.add(row)
    denied = select(Device.id).where(Device.serial == serial, Device.denied_at.is_not(None)).limit(1)
    if session.scalar(denied) is not None:
        raise Forbidden("This camera is denied.", "See 'camward-server device allow'.")
    if row.device_id not in (None, device_id):
        raise Forbidden(
            "This camera has enrolled by its factory certificate already.",
            f"Allow it again: 'camward-server factory-ca allow {ca.name} {serial}'.",
        )
    if row.device_id is None:
        lately = (FactoryDevice.ca == ca.name, FactoryDevice.enrolled_at > now - HOUR_S)
        if (session.scalar(select(func.count()).select_from(FactoryDevice).where(*lately)) or 0) >= HOURLY_CAMERAS:
            raise TooManyAttempts("Too many cameras of this factory CA at once.", HOUR_S)
    row.device_id, row.enrolled_at = device_id, now
    return ca


def _read(ca: FactoryCa) -> x509.Certificate:
    return x509.load_pem_x509_certificate(ca.pem.encode("ascii"))


def _only(peer: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    """The one attribute of that kind in the subject; empty if there is none, or more."""
    found = peer.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if len(found) == 1 else ""
