"""Cameras that another EST server certifies: its certificates are mapped to ids here, and the cameras registered.

The id is the hash of the key, and has to be the certificate's name as well, for the broker knows cameras by that.
Nobody has asked this server beforehand, so a camera is registered when it first asks for the ownership record.
"""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from update_server.db.models import Certificate, Device
from update_server.errors import Forbidden
from update_server.fleet import devices
from update_server.pki import est
from update_server.pki.authority import device_id


def certifies(session: Session, device: str) -> bool:
    """Whether another CA certifies this camera."""
    mine = (Certificate.device_id == device, Certificate.serial_number.startswith(devices.EXTERNAL))
    return session.scalar(select(Certificate.device_id).where(*mine).limit(1)) is not None


def check(certificate: x509.Certificate) -> None:
    """See that a certificate of another CA names the camera that holds its key.

    Raises:
        Forbidden: it does not.
    """
    key = certificate.public_key()
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    fits = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not fits or len(names) != 1 or names[0].value != device_id(key):  # type: ignore[arg-type]
        raise Forbidden("The client certificate does not have the id of its own key as its name.")


def admit(session: Session, certificate: x509.Certificate, current: str, now: int) -> None:
    """Register the camera that shows this (checked) certificate, with the ownership record `current`, if it is new.

    Raises:
        Forbidden: it was removed here, which stands for its key, or the certificate names no serial number.
    """
    der = certificate.public_bytes(serialization.Encoding.DER)
    name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    known = devices.EXTERNAL + hashlib.sha256(der).hexdigest()[:39]  # other CAs number as they like
    if session.get(Device, name) is None:
        if session.scalar(select(Certificate.device_id).where(Certificate.device_id == name).limit(1)) is not None:
            raise Forbidden("This camera was removed.", "Leave the operator at the camera, and enrol it again.")
        serials = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
        if len(serials) != 1 or not est.SERIAL.match(str(serials[0].value)):
            raise Forbidden("The client certificate names no serial number.")
        serial = str(serials[0].value)
        session.add(Device(id=name, serial=serial, enrolled_at=now, ownership_sha256=current))
        devices.audit(session, "external CA", "device enrol", f"{name} {serial}", now)
    if session.get(Certificate, known) is None:
        ends_at = int(certificate.not_valid_after_utc.timestamp())
        session.add(Certificate(serial_number=known, device_id=name, issued_at=now, expires_at=ends_at, der=der))
