"""Enrolment of cameras: one-time tokens, first certificates and renewals."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from agent.formats import token
from agent.formats.errors import FormatError
from update_server.db.models import Certificate, Device, EnrolmentToken
from update_server.errors import BadInput, Forbidden, Misconfigured, TooManyAttempts, Unauthenticated
from update_server.fleet import devices, rotation
from update_server.pki import est, factory
from update_server.pki.authority import Authority, device_id, key_sha256, utc
from update_server.settings import Devices

DAY_S = 86_400
DAILY_CERTIFICATES = 20  # for one camera: it needs one in two months, and asks again when a reply is lost
SECRET_BYTES = 32  # 256 bits: guessing needs no lockout
INVITATION = "factory"
"""In the place of a secret's hash: there is no secret, and the camera shows its factory certificate instead."""
DENIED = "The enrolment token is unknown, used or expired."
REMEDY = "Make a new one with 'camward-server device token'."


@dataclass(frozen=True)
class MadeToken:
    """A new token; `text` is shown once and never stored."""

    id: str
    text: str
    expires_at: int


class Enrolment:
    """Makes and redeems tokens and issues certificates. Works inside the caller's transaction."""

    def __init__(self, authority: Authority, url: str, told: Devices) -> None:
        self.authority = authority
        self._url = url
        self._days = told.certificate_days
        self._domain = told.camera_domain
        self._est_url = told.est_url

    def make_token(
        self,
        session: Session,
        ownership_sha256: str,
        serial: str | None,
        valid_s: int,
        now: int,
        *,
        invitation: bool = False,
        login: tuple[str, str] | None = None,
    ) -> MadeToken:
        """A one-time token valid for `valid_s` seconds, for the camera with `serial` or, if None, for any.

        An invitation has no secret: any number of cameras may have it, and each shows its factory certificate. Where
        another EST server certifies cameras, the token is for that one: with its `login` (user, password) or an
        invitation; this server keeps nothing of it.

        Raises:
            BadInput: `serial` is malformed.
        """
        if serial is not None and not est.SERIAL.match(serial):
            raise BadInput(f"{serial!r} is no serial number.", "Copy it from the camera's label.")
        if self._est_url:
            login = ("invitation", "") if invitation else login
            return self._elsewhere(ownership_sha256, login, now + valid_s)
        name, secret = secrets.token_hex(8), "" if invitation else secrets.token_urlsafe(SECRET_BYTES)
        kept = INVITATION if invitation else _hash(secret)
        session.add(
            EnrolmentToken(
                id=name, secret_hash=kept, serial=serial, ownership_sha256=ownership_sha256,
                created_at=now, expires_at=now + valid_s, used_at=None, device_id=None,
            )
        )  # fmt: skip
        text = token.encode(token.Token(self._url, secret, name, self.authority.der, ownership_sha256))
        return MadeToken(name, text, now + valid_s)

    def _elsewhere(self, ownership_sha256: str, login: tuple[str, str] | None, expires_at: int) -> MadeToken:
        """A token for the other EST server.

        Raises:
            BadInput: there is no login for it, or none that cameras take.
            Misconfigured: its CA is not known.
        """
        if login is None:
            raise BadInput(
                f"Cameras are certified by {self._est_url}, which gives its own passwords.",
                "Name one with --est-user and --est-password-file, or use --by-factory.",
            )
        if not self.authority.external:
            raise Misconfigured(f"The CA of {self._est_url} is not in pki/external.pem.", "Put its root there, PEM.")
        ca = self.authority.external[0].public_bytes(serialization.Encoding.DER)
        made = token.Token(self._url, login[1], login[0], self.authority.der, ownership_sha256, self._est_url, ca)
        text = token.encode(made)
        try:
            token.parse(text)
        except FormatError as error:
            raise BadInput(f"Cameras would refuse such a token: {error.detail}.", "Choose other names.") from None
        return MadeToken(login[0], text, expires_at)

    def enrol(self, session: Session, authorization: str, body: bytes, now: int) -> bytes:
        """Answer a simpleenroll: redeem the token, certify the key. Returns base64 PKCS#7.

        Until it expires, a token serves the one key that redeemed it; so a lost reply costs nothing.

        Raises:
            Unauthenticated: the token is missing, unknown, expired, or for another key or serial number.
            BadInput: the request is malformed (the token stays usable).
            Forbidden: this camera is denied.
            TooManyAttempts: the camera asks again and again.
        """
        name, secret = est.parse_basic(authorization)
        row = session.get(EnrolmentToken, name, with_for_update=True)
        known = row.secret_hash if row else _hash("")
        if not hmac.compare_digest(known, _hash(secret)) or row is None or row.expires_at <= now:
            raise Unauthenticated(DENIED, REMEDY)
        request = est.parse_request(body)
        # A camera whose reply was lost (power cut, network) asks again with the same key; nobody else may.
        if row.used_at is not None and row.device_id != device_id(request.key):
            raise Unauthenticated(DENIED, REMEDY)
        if row.serial is not None and row.serial != request.serial:
            raise Unauthenticated("The enrolment token is for another serial number.", REMEDY)
        device = session.get(Device, device_id(request.key))
        _admit(device, request)
        certificate = self._certify(session, request, device_id(request.key), now)
        row.used_at, row.device_id = now, device_id(request.key)
        _register(session, device, request, row.ownership_sha256, now)
        return est.certs_only([certificate])

    def enrol_by_factory(
        self, session: Session, peer: x509.Certificate, authorization: str, body: bytes, current: str, now: int
    ) -> bytes:
        """Answer a simpleenroll by the factory certificate `peer`, whose key TLS has proven. Returns base64 PKCS#7.

        `authorization` names the invitation, which names the ownership record; without one it is `current`.

        Raises:
            Unauthenticated: the invitation is unknown, expired or for another camera, or nobody knows the certificate.
            BadInput: the request is malformed, or names another serial number than the certificate.
            Forbidden: this camera may not, has enrolled already, or is denied.
            TooManyAttempts: the camera, or its whole make, asks again and again.
        """
        name, secret = est.parse_basic(authorization) if authorization else ("", "")
        if secret:  # a token of its own goes before the certificate
            return self.enrol(session, authorization, body, now)
        request = est.parse_request(body)
        if authorization:
            row = session.get(EnrolmentToken, name)
            if row is None or row.secret_hash != INVITATION or row.expires_at <= now:
                raise Unauthenticated("The invitation is unknown or expired.", REMEDY)
            if row.serial not in (None, request.serial):
                raise Unauthenticated("The invitation is for another serial number.", REMEDY)
            current = row.ownership_sha256
        name = device_id(request.key)
        ca = factory.redeem(session, peer, request, name, now)
        device = session.get(Device, name)
        _admit(device, request)
        certificate = self._certify(session, request, name, now)
        _register(session, device, request, current, now)
        devices.audit(session, f"factory-ca:{ca.name}", "device enrol", f"{name} {request.serial}", now)
        return est.certs_only([certificate])

    def renew(self, session: Session, device_id: str, peer: str, body: bytes, now: int) -> bytes:
        """Answer a simplereenroll from the camera `device_id` with a key of hash `peer` (verified by TLS).

        Another key is certified for a camera that was told to make one (RFC 7030, 4.2.2), and for no other: who has
        read a key shall not move the camera's name to one of their own. Returns base64 PKCS#7.

        Raises:
            BadInput: the request is malformed, or names another serial number, or another key that nobody has ordered.
            Forbidden: the camera is not enrolled here, or it is denied.
            TooManyAttempts: the camera asks again and again.
        """
        request = est.parse_request(body)
        device, wanted = devices.known(session, device_id, peer), key_sha256(request.key)
        if device.serial != request.serial:
            raise BadInput("The serial number differs from the enrolled one.")
        if wanted != peer:
            if not rotation.ordered(session, device, now):
                raise BadInput("A renewal keeps its key, unless the camera is told to.", "See 'rotate_identity'.")
            device.next_key = wanted
        return est.certs_only([self._certify(session, request, device.id, now)])

    def certify_services(self, session: Session, device: str, peer: str, body: bytes, now: int) -> bytes:
        """Answer a simpleenroll for the services of the camera `device`, with a key of hash `peer` (verified by TLS).

        What is served has a key of its own: the camera's programs read it, and the identity's key is none of theirs.
        Returns base64 PKCS#7.

        Raises:
            BadInput: the request is malformed, has the identity's key, or names another serial number.
            Forbidden: the camera is not enrolled here, or it is denied.
            TooManyAttempts: the camera asks again and again.
        """
        request = est.parse_request(body)
        if key_sha256(request.key) == peer:
            raise BadInput("The camera's services need a key of their own.")
        if devices.known(session, device, peer).serial != request.serial:
            raise BadInput("The serial number differs from the enrolled one.")
        _limit(session, device, now)
        name = f"{device}.{self._domain}"
        made = self.authority.certify_services(request.key, request.serial, name, self._days, utc(now))
        _keep(session, device, made, now)
        return est.certs_only([made])

    def _certify(self, session: Session, request: est.Request, device: str, now: int) -> x509.Certificate:
        """Issue a certificate of a camera's identity and keep it.

        Raises:
            TooManyAttempts: as `_limit`.
        """
        _limit(session, device, now)
        made = self.authority.certify_device(request.key, request.serial, self._days, utc(now), device)
        _keep(session, device, made, now)
        return made


def _admit(device: Device | None, request: est.Request) -> None:
    """See that this key may (still) be certified under the name that is made of it.

    Raises:
        Forbidden: the camera of that name is denied, or its identity has had another key since: a copy of the old one,
            with a token that anybody may use, shall not get its name back.
    """
    if device is not None:
        devices.refuse_denied(device)
        if not rotation.counts(device, key_sha256(request.key)):
            raise Forbidden("This camera's identity has another key by now.", "Erase it, and enrol it with a new one.")


def _register(session: Session, device: Device | None, request: est.Request, ownership_sha256: str, now: int) -> None:
    """The camera is enrolled, with this ownership record; `device` is what is known of it already."""
    if device is None:
        device = Device(id=device_id(request.key), serial=request.serial, enrolled_at=now)
        session.add(device)
    device.serial, device.ownership_sha256 = request.serial, ownership_sha256
    device.seals = False  # its software, or the record that it has now, may know of none


def _limit(session: Session, device: str, now: int) -> None:
    """Let no camera have certificate upon certificate issued.

    Raises:
        TooManyAttempts: the camera got DAILY_CERTIFICATES within a day; a hijacked one does not fill the disk.
    """
    mine = (Certificate.device_id == device, Certificate.issued_at > now - DAY_S)
    if (session.scalar(select(func.count()).select_from(Certificate).where(*mine)) or 0) >= DAILY_CERTIFICATES:
        raise TooManyAttempts("Too many certificates for this camera.", DAY_S)


def _keep(session: Session, device: str, made: x509.Certificate, now: int) -> None:
    session.add(
        Certificate(
            serial_number=f"{made.serial_number:x}", device_id=device, issued_at=now,
            expires_at=int(made.not_valid_after_utc.timestamp()),
            der=made.public_bytes(serialization.Encoding.DER),
        )
    )  # fmt: skip


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
