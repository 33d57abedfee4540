"""Enrolment over Secure Transport (RFC 7030), the part a device needs: simpleenroll with a one-time token."""

import base64
import http.client
import ssl
from typing import TYPE_CHECKING

from agent.adapters.linux.fetcher import SILENCE_S, split_server
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.tls import client_context
from agent.formats.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from cryptography import x509

    from agent.formats.token import Token

PATH = "/.well-known/est/simpleenroll"
MAX_REPLY_BYTES = 64 * 1024  # a P-256 chain of five is 6 KB in base64
TLS_KEY = "tls"


class EnrolmentRefused(Rejected):
    """The server will not certify this device: the token is unknown, used for another key, or expired."""

    code = "enrolment_refused"


class EstEnroller:
    """`agent.ports.network.Enroller`: certificate request by `cryptography`, transport by http.client."""

    def __init__(self, keys: UnsafeFileKeyStore) -> None:
        self._keys = keys

    def certify(self, token: "Token", device_id: str, serial: str) -> bytes:
        """See `Enroller.certify`.

        Raises:
            Rejected: the server refuses, or the certificate is not for this key and device.
            Unavailable: try later.
        """
        status, body = _post(token, self._request(device_id, serial))
        if status in {http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            raise EnrolmentRefused(f"the server answered {status}")
        if status != http.HTTPStatus.OK:
            raise Unavailable(f"the server answered {status} to the enrolment")
        return self._chain(body, device_id)

    def _request(self, device_id: str, serial: str) -> bytes:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import NameOID

        subject = [
            x509.NameAttribute(NameOID.COMMON_NAME, device_id),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, serial),
        ]
        name = x509.UniformResourceIdentifier("urn:camward:device:" + device_id)
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name(subject))
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .sign(self._keys.private_key(TLS_KEY), hashes.SHA256())
        )
        return request.public_bytes(serialization.Encoding.DER)

    def _chain(self, body: bytes, device_id: str) -> bytes:
        """The PEM chain, own certificate first, self-signed roots left out (RFC 8446, 4.4.2)."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.serialization import pkcs7

        spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        ours = self._keys.private_key(TLS_KEY).public_key().public_bytes(*spki)
        try:
            found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
            own = [item for item in found if item.public_key().public_bytes(*spki) == ours]
        except (ValueError, UnsupportedAlgorithm) as error:  # binascii.Error is a ValueError
            raise EnrolmentRefused("the reply is no PKCS#7 list of certificates that we know") from error
        if len(own) != 1 or _common_name(own[0]) != device_id:
            raise EnrolmentRefused("the certificate is not for this device")
        others = [item for item in found if item is not own[0] and item.subject != item.issuer]
        return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in [own[0], *others])


def _common_name(certificate: "x509.Certificate") -> str:
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _post(token: "Token", request_der: bytes) -> tuple[int, bytes]:
    host, port = split_server(token.url)
    context = client_context(ssl.DER_cert_to_PEM_cert(token.ca))
    connection = http.client.HTTPSConnection(host, port, timeout=SILENCE_S, context=context)
    login = base64.b64encode(f"{token.id}:{token.secret}".encode()).decode()
    headers = {
        "Authorization": "Basic " + login,
        "Content-Type": "application/pkcs10",
        "Content-Transfer-Encoding": "base64",
    }
    try:
        connection.request("POST", PATH, base64.encodebytes(request_der), headers)
        response = connection.getresponse()
        return response.status, response.read(MAX_REPLY_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"the server cannot be reached: {error}") from error
    finally:
        connection.close()
