"""TLS contexts of the device, as client."""

import ssl
from pathlib import Path

from agent.formats.errors import FormatError, Unavailable


def client_context(ca_pem: str, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or later, the server verified by name against `ca_pem` alone, with the device's certificate if given.

    Raises:
        FormatError: the CA does not parse.
        Unavailable: the device's certificate or key cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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


def loopback_context(pinned: Path) -> ssl.SSLContext:
    """For the camera's own services: no name to check on 127.0.0.1, but exactly the certificate in `pinned`.

    Raises:
        Unavailable: the certificate cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_verify_locations(pinned)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"the camera's certificate cannot be read: {error}") from error
    return context
