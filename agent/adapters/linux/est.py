"""Enrolment over Secure Transport (RFC 7030), the part a device needs: simpleenroll with a one-time token."""

import base64
import http
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.adapters.linux import certificates
from agent.adapters.linux.certificates import EnrolmentRefused
from agent.adapters.linux.dates import Dates, by_the_system
from agent.adapters.linux.fetcher import split_server
from agent.adapters.linux.http_exchange import HttpServer
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.tls import client_context
from agent.formats.errors import Unavailable

if TYPE_CHECKING:
    from agent.formats.token import Token

PATH = "/.well-known/est/simpleenroll"
MAX_REPLY_BYTES = 64 * 1024  # a P-256 chain of five is 6 KB in base64


class EstEnroller:
    """`agent.ports.network.Enroller`: certificates by `.certificates`, transport by `.http_exchange`."""

    def __init__(self, keys: UnsafeFileKeyStore, dates: Callable[[], Dates] = by_the_system) -> None:
        """`dates` judges the server's certificate; see `agent.adapters.linux.tls`."""
        self._keys = keys
        self._dates = dates

    def certify(self, token: "Token", device_id: str, serial: str, key: str) -> bytes:
        """See `Enroller.certify`.

        Raises:
            Rejected: the server refuses, or the certificate is not for this key and device.
            Unavailable: try later.
        """
        private = self._keys.pem(key)
        (request,) = certificates.run("request", key=private, device_id=device_id, serial=serial)
        status, body = self._post(token, request)
        if status in {http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            raise EnrolmentRefused(f"the server answered {status}")
        if status != http.HTTPStatus.OK:
            raise Unavailable(f"the server answered {status} to the enrolment")
        if len(body) > MAX_REPLY_BYTES:
            raise Unavailable(f"the server's answer to the enrolment has more than {MAX_REPLY_BYTES} bytes")
        reply = base64.b64encode(body).decode()
        (chain,) = certificates.run("chain", key=private, device_id=device_id, reply=reply)
        return chain.encode()

    def _post(self, token: "Token", request: str) -> tuple[int, bytes]:
        host, port = split_server(token.url)
        ca_pem = ssl.DER_cert_to_PEM_cert(token.ca)
        server = HttpServer(host, port, lambda: client_context(ca_pem, None, None, self._dates))
        login = base64.b64encode(f"{token.id}:{token.secret}".encode()).decode()
        headers = {
            "Authorization": "Basic " + login,
            "Content-Type": "application/pkcs10",
            "Content-Transfer-Encoding": "base64",
        }
        try:
            answer = server.exchange("POST", PATH, request.encode(), headers, MAX_REPLY_BYTES)
        finally:
            server.close()
        return answer.status, answer.body
