"""The bytes of EST (RFC 7030): certification requests in, certs-only PKCS#7 out. Pure; no database."""

import base64
import binascii
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from update_server.errors import BadInput, Unauthenticated

MAX_REQUEST_BYTES = 8192  # a P-256 request takes about 400 bytes in base64
SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class Request:
    """A certification request that proved possession of its key; only key and serial number are taken from it."""

    def __init__(self, key: ec.EllipticCurvePublicKey, serial: str) -> None:
        self.key = key
        self.serial = serial


def parse_request(body: bytes) -> Request:
    """Read the base64 body of a simpleenroll or simplereenroll (RFC 7030, 4.2.1) and verify its signature.

    Raises:
        BadInput: it is too long, no PKCS#10, not P-256, not signed by its own key, or names no serial number.
    """
    if len(body) > MAX_REQUEST_BYTES:
        raise BadInput("The certification request is too long.")
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        subject = request.subject
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"The body is no base64 of a PKCS#10 request: {error}.") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInput("The key is not ECDSA P-256.")
    try:
        valid = request.is_signature_valid
    except (ValueError, InvalidSignature):
        valid = False
    if not valid:
        raise BadInput("The request is not signed by its own key.")
    serials = subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    if len(serials) != 1 or not isinstance(serials[0].value, str) or not SERIAL.match(serials[0].value):
        raise BadInput("The subject needs exactly one serialNumber of 1 to 64 letters, digits, '.', '_' or '-'.")
    return Request(key, serials[0].value)


def certs_only(certificates: list[x509.Certificate]) -> bytes:
    """Certificates as base64 of a degenerate PKCS#7 (RFC 7030, 4.1.3 and 4.2.3), in lines of 76 characters."""
    return base64.encodebytes(pkcs7.serialize_certificates(certificates, serialization.Encoding.DER))


def parse_basic(header: str) -> tuple[str, str]:
    """User and password of an HTTP Basic `Authorization` header (RFC 7617).

    Raises:
        Unauthenticated: there is none, or it is malformed.
    """
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic" and len(value) <= 1024:
        try:
            user, colon, password = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if colon:
            return user, password
    raise Unauthenticated("An enrolment token is required.", "Send its id and secret by HTTP Basic.")
