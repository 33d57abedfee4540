"""From when to when an X.509 certificate is valid (RFC 5280, 4.1.2.5), and nothing else of it; PEM around it.

TLS libraries compare these dates with the system's clock, which on a camera may say anything. So they leave the dates
to us; everything else about a certificate stays theirs.
"""

from agent.formats import base64, utc
from agent.formats.errors import FormatError
from agent.formats.value import Value

MAX_CERTIFICATE_BYTES = 16 * 1024  # a P-256 certificate has 600 bytes, an RSA one with many names a few thousand

_INTEGER, _SEQUENCE, _VERSION = 0x02, 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----"
_CENTURY = 50  # two-digit years from here on are of the 20th century (RFC 5280, 4.1.2.5.1)


class Validity(Value):
    """Unix seconds, both included."""

    FIELDS = ("not_before_at", "not_after_at")
    not_before_at: int
    not_after_at: int


def first(pem: bytes) -> bytes:
    """The first certificate of a chain in PEM (RFC 7468), as DER: the device's own.

    Raises:
        FormatError: there is none.
    """
    begin = pem.find(_BEGIN)
    end = pem.find(_END, begin)
    if begin < 0 or end < 0:
        raise FormatError("this is no certificate in PEM")
    text = pem[begin + len(_BEGIN) : end].replace(b"\n", b"")
    if any(byte > 126 for byte in text):
        raise FormatError("no base64")
    return base64.decode(str(text, "utf-8"))


def validity(der: bytes) -> Validity:
    """The dates of one certificate.

    Raises:
        FormatError: this is no certificate, or its dates are not in a form that RFC 5280 permits.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise FormatError("a certificate of more than " + str(MAX_CERTIFICATE_BYTES) + " bytes")
    body, _ = _element(der, 0, _SEQUENCE)
    signed, _ = _element(body, 0, _SEQUENCE)
    at = 0
    if signed[:1] == bytes([_VERSION]):
        _, at = _element(signed, at, _VERSION)
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):  # serial number, signature algorithm, issuer
        _, at = _element(signed, at, tag)
    dates, _ = _element(signed, at, _SEQUENCE)
    not_before_at, at = _time(dates, 0)
    not_after_at, at = _time(dates, at)
    if at != len(dates):
        raise FormatError("a certificate with more than two dates")
    return Validity(not_before_at, not_after_at)


def _element(source: bytes, at: int, tag: int) -> "tuple[bytes, int]":
    """The content of the DER element at `at`, and where the next one begins.

    Raises:
        FormatError: there is none with this tag, or it does not fit.
    """
    if at + 2 > len(source) or source[at] != tag:
        raise FormatError("this is no certificate")
    length, at = source[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 2 or at + count > len(source):
            raise FormatError("a length in a certificate is out of bounds")
        length = int.from_bytes(source[at : at + count], "big")
        at += count
    if at + length > len(source):
        raise FormatError("a certificate that was cut off")
    return source[at : at + length], at + length


def _time(source: bytes, at: int) -> "tuple[int, int]":
    """Unix seconds of the date at `at`, and where the next one begins.

    Raises:
        FormatError: there is none.
    """
    if source[at : at + 1] == bytes([_UTC_TIME]):
        digits, end = _element(source, at, _UTC_TIME)
        if len(digits) != 13 or not digits[:2].isdigit():
            raise FormatError("a date in a certificate is malformed")
        digits = (b"19" if int(digits[:2]) >= _CENTURY else b"20") + digits
    else:
        digits, end = _element(source, at, _GENERALIZED_TIME)
    if len(digits) != 15 or not digits[:14].isdigit() or digits[14:] != b"Z":
        raise FormatError("a date in a certificate is malformed")
    text = digits.decode()
    date, time = text[:4] + "-" + text[4:6] + "-" + text[6:8], text[8:10] + ":" + text[10:12] + ":" + text[12:14]
    return utc.parse(date + "T" + time + "Z"), end
