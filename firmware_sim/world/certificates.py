"""Certificates of the simulated world: dates and a name where a real one has them, and nothing that is signed."""

from agent.formats import base64, certificate, utc
from agent.formats.errors import FormatError

HOUR_S, DAY_S = 3600, 86400
END_S = 2**31  # of serial numbers, which are the moments at which the certificates were given
_TEXT, _TIME, _SEQUENCE = 0x0C, 0x18, 0x30
NAME_CHARS = 26  # of a device id
_MARK = bytes([_TEXT, NAME_CHARS])


def make(device_id: str, serial: int, begin_at: int, end_at: int) -> bytes:
    """A certificate for this device, in PEM. `serial` below END_S."""
    dates = _element(_TIME, _date(begin_at)) + _element(_TIME, _date(end_at))
    signed = b"\x02\x04" + serial.to_bytes(4, "big") + b"\x30\x00\x30\x00" + _element(_SEQUENCE, dates)
    der = _element(_SEQUENCE, _element(_SEQUENCE, signed + _element(_TEXT, device_id.encode())))
    return ("-----BEGIN CERTIFICATE-----\n" + base64.encode(der) + "\n-----END CERTIFICATE-----\n").encode()


def holder(pem: "bytes | None") -> str:
    """The device it was made for; empty if it is none of ours."""
    try:
        der = certificate.first(pem or b"")
    except FormatError:
        return ""
    at = der.find(_MARK)
    return der[at + len(_MARK) :].decode() if at >= 0 else ""


def serial(pem: "bytes | None") -> int:
    """Its number; 0 if it is none of ours."""
    return int.from_bytes(certificate.first(pem)[6:10], "big") if pem is not None and holder(pem) else 0


def fits(pem: "bytes | None", at: int, grace_s: int = 0) -> bool:
    """Whether it has begun, and did not end more than `grace_s` before `at`."""
    try:
        found = certificate.validity(certificate.first(pem or b""))
    except FormatError:
        return False
    return found.not_before_at <= at <= found.not_after_at + grace_s


def _element(tag: int, body: bytes) -> bytes:
    return bytes([tag, len(body)]) + body


def _date(at: int) -> bytes:
    return utc.render(at).replace("-", "").replace(":", "").replace("T", "").encode()
