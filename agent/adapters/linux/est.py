"""Enrolment over Secure Transport (RFC 7030), the part a device needs: simpleenroll by token, simplereenroll."""

import base64
import http
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.adapters.linux import certificates
from agent.adapters.linux.certificates import EnrolmentRefused
from agent.adapters.linux.dates import Dates, by_the_system
from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.fetcher import not_now, split_server
from agent.adapters.linux.http_exchange import HttpServer
from agent.adapters.linux.tls import client_context
from agent.formats.errors import Unavailable
from agent.formats.token import EST

if TYPE_CHECKING:
    from agent.adapters.linux.keys import UnsafeFileKeyStore
    from agent.adapters.linux.tpm_keys import TpmKeyStore
    from agent.formats.token import Token

ENROL, RENEW = "/simpleenroll", "/simplereenroll"
SERVICES_PATH = "/.well-known/est/services/simpleenroll"  # a label of our own (RFC 7030, 3.2.2)
MAX_REPLY_BYTES = 64 * 1024  # a P-256 chain of five is 6 KB in base64


class EstEnroller:
    """`agent.ports.network.Enroller`: certificates by `.certificates`, transport by `.http_exchange`."""

    def __init__(
        self,
        keys: "UnsafeFileKeyStore | TpmKeyStore",
        dates: Callable[[], Dates] = by_the_system,
        certificate: Path | None = None,
        services_key: Path | None = None,
        factory: tuple[Path, Path] | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        """`dates` judges the server's certificate; see `agent.adapters.linux.tls`. `certificate`: this device's.

        `services_key`: of the camera's own services, PEM. `factory`: the certificate (with those between it and its CA)
        and key that the factory gave this camera, PEM; they may be missing.
        """
        self._keys = keys
        self._dates = dates
        self._certificate = certificate
        self._services_key = services_key
        self._factory = factory
        self._dialer = dialer

    def certify(self, token: "Token", device_id: str, serial: str, key: str) -> bytes:
        """See `Enroller.certify`.

        Raises:
            Rejected: the server refuses, or the certificate is not for this key and device, or not by this CA.
            Unavailable: try later.
        """
        login = base64.b64encode(f"{token.id}:{token.secret}".encode()).decode()
        ca_pem = ssl.DER_cert_to_PEM_cert(token.est_ca or token.ca)
        shown: tuple[Path | None, Path | None] = (None, None) if token.secret else self._factory_files()

        def context() -> ssl.SSLContext:
            return client_context(ca_pem, *shown, self._dates)

        # An invitation's id means something to our own server alone.
        headers = {} if token.est_url and not token.secret else {"Authorization": "Basic " + login}
        return self._chain(token.est_url or token.url, ENROL, context, headers, ca_pem, (device_id, serial, key))

    def _factory_files(self) -> tuple[Path, Path]:
        """Raises EnrolmentRefused: this camera has none."""
        if self._factory is None or not all(path.is_file() for path in self._factory):
            raise EnrolmentRefused("this token has no secret, and this camera no factory certificate to show instead")
        return self._factory

    def renew(self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str) -> bytes:
        """See `Enroller.renew`.

        Raises:
            FormatError: the address or the CA does not parse.
            Rejected: the server refuses, or the certificate is not for this key and device, or not by this CA.
            Unavailable: try later.
        """

        def context() -> ssl.SSLContext:
            return client_context(ca_pem, self._certificate, self._keys.path(key), self._dates)

        return self._chain(server_url, RENEW, context, {}, ca_pem, (device_id, serial, key))

    def rekey(self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str, by: str) -> bytes:
        """See `Enroller.rekey`.

        Raises:
            FormatError: the address or the CA does not parse.
            Rejected: the server refuses, or the certificate is not for the key `by` and this device, or not by this CA.
            Unavailable: try later.
        """

        def context() -> ssl.SSLContext:
            return client_context(ca_pem, self._certificate, self._keys.path(key), self._dates)

        return self._chain(server_url, RENEW, context, {}, ca_pem, (device_id, serial, by))

    def certify_services(
        self, server_url: str, ca_pem: str, device_id: str, serial: str, key: str
    ) -> tuple[str, bytes]:
        """See `Enroller.certify_services`.

        Raises:
            FormatError: the address or the CA does not parse.
            Rejected: the server refuses, or the certificate is not for this key, or not by this CA.
            Unavailable: try later.
        """
        if self._services_key is None:
            raise Unavailable("there is no key of the camera's services")
        try:
            private = self._services_key.read_text()
        except OSError as error:
            raise Unavailable(f"the key of the camera's services: {error}") from error

        def context() -> ssl.SSLContext:
            return client_context(ca_pem, self._certificate, self._keys.path(key), self._dates)

        reply = self._certified(server_url, SERVICES_PATH, context, {}, (device_id, serial, private))
        name, chain = certificates.run("services_chain", key=private, ca=ca_pem, reply=reply)
        return name, chain.encode()

    def _chain(
        self,
        server_url: str,
        path: str,
        context: Callable[[], ssl.SSLContext],
        headers: dict[str, str],
        ca_pem: str,
        whose: tuple[str, str, str],
    ) -> bytes:
        """The chain that the server gives for `whose` (device id, serial number, name of the key), by this CA."""
        device_id, serial, key = whose
        private = self._keys.pem(key)
        server, _, label = server_url.partition(EST)
        reply = self._certified(server, EST + label + path, context, headers, (device_id, serial, private))
        (chain,) = certificates.run("chain", key=private, device_id=device_id, ca=ca_pem, reply=reply)
        return chain.encode()

    def _certified(
        self,
        server_url: str,
        path: str,
        context: Callable[[], ssl.SSLContext],
        headers: dict[str, str],
        whose: tuple[str, str, str],
    ) -> str:
        """What the server answers for `whose` (device id, serial number, key as PEM), as `.certificates` takes it."""
        device_id, serial, private = whose
        (request,) = certificates.run("request", key=private, device_id=device_id, serial=serial)
        sent = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64", **headers}
        server = HttpServer(*split_server(server_url), context, dialer=self._dialer)
        try:
            answer = server.exchange("POST", path, request.encode(), sent, MAX_REPLY_BYTES)
        finally:
            server.close()
        status, body = answer.status, answer.body
        if status in {http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            raise EnrolmentRefused(f"the server answered {status}")
        if status != http.HTTPStatus.OK:  # 202: somebody has to agree first (RFC 7030, 4.2.3)
            raise not_now(status, answer.headers, path)
        if len(body) > MAX_REPLY_BYTES:
            raise Unavailable(f"the server's answer to the enrolment has more than {MAX_REPLY_BYTES} bytes")
        return base64.b64encode(body).decode()
