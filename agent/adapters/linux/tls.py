"""TLS contexts of the device: as client, and as server of its neighbours.

OpenSSL checks everything about the other side's certificates but their dates: those it would hold against the
system's clock, which on a camera may say 1970 or 2099 (docs/adr/0009-certificate-dates.md). We check them, after the
handshake and before a byte of ours is sent, against what is known of the time.
"""

import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Never

from agent.adapters.linux.dates import Dates, DatesRefused, by_the_system
from agent.formats import certificate as certificates
from agent.formats.errors import FormatError, Unavailable

# What TLS 1.2 may still use: forward secrecy and authenticated encryption (RFC 9325, 4.2). TLS 1.3 has only good ones.
TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
DEVICE_URN = "urn:camward:device:"
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, for which Python has no name


class WrongDevice(ssl.SSLCertVerificationError):
    """A chain whose signatures and dates are right, of somebody else. Raised by the handshake."""


class _DatedSocket(ssl.SSLSocket):
    """Refuses a chain by its dates at the end of the handshake."""

    def do_handshake(self, block: bool = False) -> None:
        """As `ssl.SSLSocket.do_handshake`; the connection is closed when it is refused.

        Raises:
            DatesRefused: the dates of a certificate in the verified chain do not fit.
            WrongDevice: it is not the certificate of the device that was meant, or not of a device.
        """
        try:
            super().do_handshake(block)
            _judge(self)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise  # it has not ended: the caller comes back
        except OSError:  # refused, or gone
            self.close()
            raise


def _judge(connection: ssl.SSLSocket) -> None:
    context = connection.context
    if not isinstance(context, _DatedContext):
        raise DatesRefused("the connection has lost its context")
    wanted = context.dates()
    chain = _verified_chain(connection)
    if not chain:
        raise DatesRefused("the connection has no verified chain")  # a resumed session, say: we never resume
    for der in chain:
        try:
            found = certificates.validity(der)
        except FormatError as error:
            raise DatesRefused(error.detail) from error
        if found.not_before_at > wanted.begun_by:
            raise DatesRefused("a certificate is not valid yet")
        if found.not_after_at < wanted.valid_at:
            raise DatesRefused("a certificate has expired")
    if context.device and ("URI", DEVICE_URN + context.device) not in _names(connection):
        raise WrongDevice("the certificate is not that of " + context.device)
    if connection.server_side and not any(name[1].startswith(DEVICE_URN) for name in _names(connection)):
        raise WrongDevice("the certificate is not that of a device")


class _DatedContext(ssl.SSLContext):
    """A context that knows by which dates to judge, and which device the other side has to be, if any."""

    dates: Callable[[], Dates] = staticmethod(by_the_system)
    device = ""
    sslsocket_class = _DatedSocket

    def wrap_bio(self, *_arguments: object, **_options: object) -> Never:
        """Not for memory buffers: those have no handshake of ours, and nobody would look at the dates.

        Raises:
            ssl.SSLError: always.
        """
        raise ssl.SSLError("this context is for sockets")


def client_context(
    ca_pem: str,
    certificate: Path | None = None,
    key: Path | None = None,
    dates: Callable[[], Dates] = by_the_system,
    device: str = "",
    alpn: str = "",
) -> ssl.SSLContext:
    """TLS 1.2 or later, the server verified by name against `ca_pem` alone, with the device's certificate if given.

    `dates` is asked in each handshake, on whatever thread that runs. With `device` the other side is another camera,
    known by the id in its certificate (docs: CN and SAN) instead of the name of a host, which it does not have.
    `alpn` is what we say that we are going to speak (RFC 7301), to a front that sorts connections by it.

    Raises:
        FormatError: the CA does not parse.
        Unavailable: the device's certificate or key cannot be read.
    """
    context = _DatedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    context.dates = dates
    if alpn:
        context.set_alpn_protocols([alpn])
    if device:
        context.check_hostname = False  # the device's id is checked instead, in the handshake
        context.device = device
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise FormatError("the CA certificate does not parse") from error
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(f"the device's certificate cannot be used: {error}") from error
    return context


def server_context(ca_pem: str, certificate: Path, key: Path, dates: Callable[[], Dates]) -> ssl.SSLContext:
    """TLS 1.2 or later for cameras of the fleet: each has to show a device certificate by `ca_pem`; dates as above.

    Sessions are not resumed: a certificate is looked at each time.

    Raises:
        FormatError: the CA does not parse.
        Unavailable: the device's certificate or key cannot be read.
    """
    context = _DatedContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.dates = dates
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise FormatError("the CA certificate does not parse") from error
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"the device's certificate cannot be used: {error}") from error
    return context


def loopback_context(pinned: Path) -> ssl.SSLContext:
    """For the camera's own services: no name to check on 127.0.0.1, but exactly the certificate in `pinned`.

    Its dates mean nothing: the camera made it, maybe before it knew the time, and only people can renew their trust.

    Raises:
        Unavailable: the certificate cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        context.load_verify_locations(pinned)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"the camera's certificate cannot be read: {error}") from error
    return context


def _names(connection: ssl.SSLSocket) -> "tuple[tuple[str, str], ...]":
    found = connection.getpeercert() or {}
    return found.get("subjectAltName", ())  # type: ignore[return-value]


def _verified_chain(connection: ssl.SSLSocket) -> list[bytes]:
    """The certificates that OpenSSL has verified, the trusted one included, in DER."""
    if sys.version_info >= (3, 13):
        return connection.get_verified_chain()
    found = connection._sslobj.get_verified_chain() or []  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in found]
