"""Enrolment over Secure Transport (RFC 7030), the part a device needs: simpleenroll with a one-time token."""

import base64
import http.client
import ssl
from typing import TYPE_CHECKING

from agent.adapters.linux import certificates
from agent.adapters.linux.certificates import EnrolmentRefused
from agent.adapters.linux.fetcher import SILENCE_S, split_server
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.tls import client_context
from agent.formats.errors import Unavailable

if TYPE_CHECKING:
    from agent.formats.token import Token

PATH = "/.well-known/est/simpleenroll"
MAX_REPLY_BYTES = 64 * 1024  # a P-256 chain of five is 6 KB in base64
TLS_KEY = "tls"


class EstEnroller:
    """`agent.ports.network.Enroller`: certificates by `agent.adapters.linux.certificates`, transport by http.client."""

    def __init__(self, keys: UnsafeFileKeyStore) -> None:
        self._keys = keys

    def certify(self, token: "Token", device_id: str, serial: str) -> bytes:
        """See `Enroller.certify`.

        Raises:
            Rejected: the server refuses, or the certificate is not for this key and device.
            Unavailable: try later.
        """
        key = self._keys.pem(TLS_KEY)
        (request,) = certificates.run("request", key=key, device_id=device_id, serial=serial)
        status, body = _post(token, request)
        if status in {http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            raise EnrolmentRefused(f"the server answered {status}")
        if status != http.HTTPStatus.OK:
            raise Unavailable(f"the server answered {status} to the enrolment")
        reply = base64.b64encode(body).decode()
        (chain,) = certificates.run("chain", key=key, device_id=device_id, reply=reply)
        return chain.encode()


def _post(token: "Token", request: str) -> tuple[int, bytes]:
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
        connection.request("POST", PATH, request.encode(), headers)
        response = connection.getresponse()
        return response.status, response.read(MAX_REPLY_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"the server cannot be reached: {error}") from error
    finally:
        connection.close()
