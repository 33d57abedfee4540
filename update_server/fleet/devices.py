"""The register of cameras: identity, what is assigned to them, who is online."""

import json
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from update_server.db.models import Audit, Certificate, Device, Message, Refusal
from update_server.errors import BadInput, Conflict, Forbidden, NotFound
from update_server.fleet import rotation

MAX_IDENTITY_BYTES = 8192
MAX_TEXT_CHARS = 64
KEPT_REFUSALS = 100  # per camera; an attacker's noise does not fill the disk
KEPT_CERTIFICATES_S = 90 * 86_400  # after their end, for whoever looks into what has happened
EXTERNAL = "x"  # in front of what stands for a serial number: it is a certificate of another CA (pki.external)
GONE = "gone: {kind} at the camera"  # as shapes.attention knows it


@dataclass(frozen=True)
class FleetStatus:
    """Counts over the whole fleet."""

    total: int
    online: int
    attention: int
    versions: dict[str, int]


def known(session: Session, device_id: str, key_sha256: str = "") -> Device:
    """The camera with a certificate of that name, and of a key of that hash where one was shown.

    Raises:
        Forbidden: it is not enrolled here (its certificate may be older than this database), it is denied, or its
            identity has another key by now.
    """
    device = session.get(Device, device_id)
    if device is None:
        raise Forbidden("This camera is not enrolled here.", "Enrol it with a token.")
    refuse_denied(device)
    if key_sha256 and not rotation.counts(device, key_sha256):
        raise Forbidden("This camera's identity has another key by now.", "Enrol it with a token.")
    return device


def refuse_denied(device: Device) -> None:
    """Let a camera go on unless it is denied.

    Raises:
        Forbidden: it is.
    """
    if device.denied_at is not None:
        raise Forbidden("This camera is denied.", "See 'camward-server device allow'.")


def deny(device: Device, now: int) -> None:
    """From now on a camera gets nothing, is believed nothing, and its certificate is not renewed."""
    if device.denied_at is None:
        device.denied_at = now
    device.online = False  # its last will is not taken any more


def allow(device: Device) -> None:
    """Take that back; its certificate is as good as it was."""
    device.denied_at = None
    device.state_at = None  # its session may have gone on: what it says next shows it online


def shut_out(session: Session, now: int) -> set[str]:
    """For whom the broker is to do nothing: the denied, and the removed whose certificates have not ended."""
    # Another CA goes on renewing for who was removed here, and tells nobody.
    standing = (Certificate.expires_at >= now) | Certificate.serial_number.startswith(EXTERNAL)
    holders = select(Certificate.device_id).where(standing)
    removed = holders.where(Certificate.device_id.not_in(select(Device.id)))
    denied = select(Device.id).where(Device.denied_at.is_not(None))
    return set(session.scalars(removed)) | set(session.scalars(denied))


def prune_certificates(session: Session, now: int) -> None:
    """Forget certificates that ended long ago: none of them opens anything, or counts for anything, any more.

    Those of another CA's stay, one for each key: they say which cameras it certifies, and which were removed here.
    """
    old = Certificate.expires_at < now - KEPT_CERTIFICATES_S
    session.execute(delete(Certificate).where(old, Certificate.serial_number.not_like(EXTERNAL + "%")))


def find(session: Session, wanted: str) -> Device:
    """The camera whose id, serial number or beginning of an id is `wanted`.

    Raises:
        NotFound: there is none.
        Conflict: there are several.
    """
    exact = session.scalars(select(Device).where((Device.id == wanted) | (Device.serial == wanted))).all()
    starts = Device.id.startswith(wanted, autoescape=True)
    rows = exact or session.scalars(select(Device).where(starts).limit(2)).all()
    if not rows or not wanted:
        raise NotFound(f"There is no camera {wanted!r}.", "See 'camward-server device list'.")
    if len(rows) > 1:
        raise Conflict(f"Several cameras match {wanted!r}.", "Give the whole id.")
    return rows[0]


def everyone(session: Session) -> list[Device]:
    """All cameras, by serial number."""
    return list(session.scalars(select(Device).order_by(Device.serial, Device.id)))


def search(session: Session, wanted: str, limit: int) -> list[Device]:
    """Cameras whose serial number or id contains `wanted`; those that need attention first, at most `limit`."""
    query = select(Device)
    if wanted:
        contains = (column.icontains(wanted, autoescape=True) for column in (Device.serial, Device.id))
        query = query.where(or_(*contains))
    return list(session.scalars(query.order_by(Device.attention == "", Device.serial, Device.id).limit(limit)))


def status(session: Session) -> FleetStatus:
    """Counts over the whole fleet, computed by the database."""
    total = session.scalar(select(func.count()).select_from(Device)) or 0
    online = session.scalar(select(func.count()).select_from(Device).where(Device.online)) or 0
    attention = session.scalar(select(func.count()).select_from(Device).where(Device.attention != "")) or 0
    rows = session.execute(select(Device.version, func.count()).group_by(Device.version).order_by(Device.version))
    return FleetStatus(total, online, attention, {version or "?": count for version, count in rows})


def set_identity(session: Session, device_id: str, body: bytes, now: int, key_sha256: str = "") -> None:
    """Take what a camera says about itself: keys, serial number, model, hardware revision, version.

    The evidence key and the unsealing key (which older cameras do not have) are taken once. A different one later is
    refused and recorded, never swapped silently.

    Raises:
        BadInput: malformed, or the serial number is not the certified one.
        Conflict: another key is on file.
        Forbidden: the camera is not enrolled here.
    """
    device = known(session, device_id, key_sha256)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("The identity is no JSON.") from None
    if not isinstance(value, dict):
        raise BadInput("The identity is no JSON object.")
    texts = {name: value.get(name) for name in ("serial", "model", "hardware", "version")}
    for name, text in texts.items():
        if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT_CHARS or not text.isprintable():
            raise BadInput(f"The identity's {name} is no text of 1 to {MAX_TEXT_CHARS} characters.")
    if texts["serial"] != device.serial:
        raise BadInput("The serial number differs from the enrolled one.")
    device.evidence_key = _once(device.evidence_key, value, "evidence_public_key")
    if "unsealing_public_key" in value:
        device.unsealing_key = _once(device.unsealing_key, value, "unsealing_public_key")
    device.model, device.hardware = str(texts["model"]), str(texts["hardware"])
    device.version, device.last_seen_at = str(texts["version"]), now


def _once(known_key: str | None, value: dict[str, object], name: str) -> str:
    """The key that a camera names, in one canonical PEM form, if it is the one on file or the first one.

    Raises:
        BadInput: it is no P-256 public key in PEM.
        Conflict: another one is on file.
    """
    key = _public_key(value.get(name), name)
    if known_key is not None and known_key != key:
        what = name.removesuffix("_public_key")
        raise Conflict(f"Another {what} key is on file for this camera.", "Remove the camera and enrol it again.")
    return key


def _public_key(pem: object, name: str) -> str:
    try:
        key = serialization.load_pem_public_key(str(pem).encode("ascii"))
    except (ValueError, UnicodeEncodeError):
        raise BadInput(f"{name} is no PEM public key.") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInput(f"{name} is no P-256 key.")
    encoding = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_bytes(*encoding).decode("ascii")


def set_group(device: Device, name: str) -> None:
    """Put a camera into the group `name`.

    Raises:
        BadInput: that is no group's name.
    """
    if not 0 < len(name) <= MAX_TEXT_CHARS or not name.isprintable() or name != name.strip():
        raise BadInput(f"{name!r} is no group's name.", f"Use 1 to {MAX_TEXT_CHARS} characters.")
    device.group_name = name


def remove(session: Session, device: Device) -> None:
    """Forget a camera and what it reported. Its certificate opens nothing of this server any more.

    The broker lets it in, and nothing through (`shut_out`). The director metadata stays, so that versions go on
    counting if the same camera enrols again.
    """
    session.execute(delete(Message).where(Message.device_id == device.id))
    session.execute(delete(Refusal).where(Refusal.device_id == device.id))
    session.delete(device)


def refuse(session: Session, device_id: str, code: str, detail: str, now: int) -> None:
    """Record that something from a camera was refused; the newest are kept."""
    session.add(Refusal(device_id=device_id[:64], received_at=now, code=code[:32], detail=detail[:1000]))
    session.flush()
    mine = select(Refusal.id).where(Refusal.device_id == device_id[:64])
    oldest = session.scalar(mine.order_by(Refusal.id.desc()).offset(KEPT_REFUSALS).limit(1))
    if oldest is not None:
        session.execute(delete(Refusal).where(Refusal.device_id == device_id[:64], Refusal.id <= oldest))


def assignment(device: Device) -> str:
    """What is assigned to a camera, for the audit log, in the words of the command line."""
    options = (" --allow-older" if device.allow_older else "") + (" --now" if device.install_now else "")
    return f"{device.id} {device.assigned_version or 'none'}{options}"


def audit(session: Session, who: str, what: str, detail: str, now: int) -> None:
    """Record a change that a person or token made."""
    session.add(Audit(at=now, who=who[:80], what=what[:64], detail=detail[:1000]))
