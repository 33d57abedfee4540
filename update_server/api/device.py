"""The device listener: EST, ownership, TUF metadata and targets, each for the camera that the certificate names.

Only the two EST paths that come before a certificate work without one. With one that has ended, a camera may ask what
time it is and renew it, for a year (docs/adr/0030-renewal.md).
"""

import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from update_server.api.answers import error_answer
from update_server.body import read_body
from update_server.complaints import Complaints
from update_server.errors import Forbidden, NotFound, ServerError, Unauthenticated
from update_server.fleet import devices
from update_server.pki import est
from update_server.pki import external as external_ca
from update_server.pki.authority import Authority, key_sha256
from update_server.services import Services

LOG = logging.getLogger("camward.server")
OPEN_PATHS = frozenset({"/.well-known/est/cacerts", "/.well-known/est/simpleenroll"})
SERVICES_PATH = "/.well-known/est/services/simpleenroll"  # a label of our own (RFC 7030, 3.2.2)
TIME_PATH, RENEWAL_PATH = "/device/v1/time/", "/.well-known/est/simplereenroll"
GRACE_S = 365 * 86_400  # for a camera that hung in a warehouse; longer, and a person looks at it with a new token
NUMBERED = re.compile(r"([1-9][0-9]{0,9})\.(root|targets|snapshot)\.json\Z")
PKCS7 = "application/pkcs7-mime; smime-type=certs-only"
PKCS10, JSON, BYTES = "application/pkcs10", "application/json", "application/octet-stream"
MAX_LOGGED = 120  # characters of what comes from outside
BASE64 = {"Content-Transfer-Encoding": "base64"}

Refuse = Callable[[Request, Exception], Response]


class Endpoint(NamedTuple):
    """One thing a camera can ask for. `takes` and `gives` are media types, empty for no body."""

    path: str
    method: str
    handler: str
    takes: str
    gives: str


ENDPOINTS = (
    Endpoint("/.well-known/est/cacerts", "GET", "ca_certificates", "", PKCS7),
    Endpoint("/.well-known/est/simpleenroll", "POST", "enrol", PKCS10, PKCS7),
    Endpoint(RENEWAL_PATH, "POST", "renew", PKCS10, PKCS7),
    Endpoint(SERVICES_PATH, "POST", "certify_services", PKCS10, PKCS7),
    Endpoint("/device/v1/ownership", "GET", "ownership", "", JSON),
    Endpoint("/device/v1/identity", "PUT", "identity", JSON, ""),
    Endpoint(TIME_PATH + "{nonce}", "GET", "receipt", "", JSON),
    Endpoint("/tuf/image/{name}", "GET", "image", "", JSON),
    Endpoint("/tuf/director/{device_id}/{name}", "GET", "director", "", JSON),
    Endpoint("/targets/{name}", "GET", "target", "", BYTES),
)


class RequireCertificate:
    """Lets a request through when its TLS connection carries a camera's certificate, or its path is open.

    TLS has verified the certificate against the fleet CA, but for its dates, which are looked at here, at each request:
    a connection does not outlive its certificate. Its name becomes `scope["state"]["device_id"]`.

    TLS takes factory certificates as well, for simpleenroll; here they open nothing, whatever name is in them.
    """

    def __init__(self, app: ASGIApp, authority: Authority, refuse: Refuse) -> None:
        """`authority` knows whose certificates count; `refuse` makes the answer out of an error."""
        self._app = app
        self._authority = authority
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                scope.setdefault("state", {}).update(self._state(scope))
            except ServerError as error:
                await self._refuse(Request(scope), error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _state(self, scope: Scope) -> dict[str, object]:
        certificate = _shown(scope)
        external = False
        if certificate is not None and not self._authority.issued(certificate):
            anchor = scope["extensions"]["tls"].get("anchor")
            if anchor not in [one.public_bytes(Encoding.DER) for one in self._authority.external]:
                raise Forbidden("The client certificate is not by this fleet's CA.", "Enrol first.")
            external_ca.check(certificate)
            external = True
        return {**_peer(scope, int(time.time())), "external": external}


def _shown(scope: Scope) -> x509.Certificate | None:
    """The certificate that the client has shown in TLS."""
    der = scope.get("extensions", {}).get("tls", {}).get("peer_certificate")
    return x509.load_der_x509_certificate(der) if der else None


def _name(scope: Scope) -> str:
    """The function that answers, empty where none was reached."""
    return str(getattr(scope.get("endpoint"), "__name__", ""))


def _peer(scope: Scope, now: int) -> dict[str, object]:
    certificate = _shown(scope)
    if certificate is None:
        raise Unauthenticated("A client certificate is required.", "Enrol first.")
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise Forbidden("The client certificate names no camera.")
    path: str = scope["path"]
    late = path == RENEWAL_PATH or path.startswith(TIME_PATH)
    ends_at = int(certificate.not_valid_after_utc.timestamp()) + (GRACE_S if late else 0)
    if not certificate.not_valid_before_utc.timestamp() <= now <= ends_at:
        raise Unauthenticated("The client certificate has ended.", "Renew it, or enrol anew." if late else "Renew it.")
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Forbidden("The client certificate is of no key of a camera's.")
    return {"device_id": names[0].value, "key_sha256": key_sha256(key), "certificate": certificate}


class DeviceApi:
    """The handlers; one instance per process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._complaints = Complaints(LOG)

    def app(self) -> ASGIApp:
        """The ASGI application."""
        routes = [Route(one.path, getattr(self, one.handler), methods=[one.method]) for one in ENDPOINTS]
        made = Starlette(routes=routes, exception_handlers={ServerError: self._refused})
        return RequireCertificate(made, self._services.authority, self._refused)

    def _refused(self, request: Request, error: Exception) -> Response:
        """The answer; and a line in the log, for the camera that hears it has nobody to tell."""
        if isinstance(error, ServerError) and not isinstance(error, NotFound):  # cameras ask whether there is another
            shown = _shown(request.scope)  # TLS has verified it; it may be too old, or open nothing
            names = [] if shown is None else shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            who = f"Camera {str(names[0].value)[:MAX_LOGGED]!r}" if names else "A stranger"
            path = str(request.scope["path"])[:MAX_LOGGED]
            kind = f"{error.code} {_name(request.scope)} {bool(names)}"
            self._complaints.say(kind, f"{who} is refused {request.method} {path!r} ({error.code}): {error}")
        return error_answer(request, error)

    def ca_certificates(self, _request: Request) -> Response:
        """EST cacerts (RFC 7030, 4.1)."""
        body = est.certs_only(self._services.authority.trusted)
        return Response(body, media_type=PKCS7, headers=BASE64)

    async def enrol(self, request: Request) -> Response:
        """EST simpleenroll with a one-time token, or by a factory certificate (RFC 7030, 3.3.2, 4.2.1)."""
        body = await read_body(request, est.MAX_REQUEST_BYTES)
        header = request.headers.get("authorization", "")
        peer, services = _shown(request.scope), self._services

        def work() -> bytes:
            with services.database.write() as session:
                now = int(time.time())
                if peer is None or services.authority.issued(peer):
                    return services.enrolment.enrol(session, header, body, now)
                current = services.ownership.current
                return services.enrolment.enrol_by_factory(session, peer, header, body, current, now)

        return Response(await run_in_threadpool(work), media_type=PKCS7, headers=BASE64)

    async def renew(self, request: Request) -> Response:
        """EST simplereenroll with the current certificate, or with one that has ended (RFC 7030, 4.2.2)."""
        if request.state.external:
            raise Forbidden("Another server has issued this certificate.", "Renew it there.")
        body = await read_body(request, est.MAX_REQUEST_BYTES)

        def work() -> bytes:
            with self._services.database.write() as session:
                who, key = request.state.device_id, request.state.key_sha256
                return self._services.enrolment.renew(session, who, key, body, int(time.time()))

        return Response(await run_in_threadpool(work), media_type=PKCS7, headers=BASE64)

    async def certify_services(self, request: Request) -> Response:
        """EST simpleenroll, by the identity's certificate, for what the camera serves to recorders and browsers."""
        body = await read_body(request, est.MAX_REQUEST_BYTES)

        def work() -> bytes:
            with self._services.database.write() as session:
                who, key = request.state.device_id, request.state.key_sha256
                return self._services.enrolment.certify_services(session, who, key, body, int(time.time()))

        return Response(await run_in_threadpool(work), media_type=PKCS7, headers=BASE64)

    def ownership(self, request: Request) -> Response:
        """The ownership record whose hash stood in the camera's enrolment token."""
        services = self._services
        if request.state.external:
            with services.database.write() as session:
                current, now = services.ownership.current, int(time.time())
                external_ca.admit(session, request.state.certificate, current, now)
        with services.database.read() as session:
            sha256 = devices.known(session, request.state.device_id, request.state.key_sha256).ownership_sha256
        return Response(services.ownership.record(sha256), media_type=JSON)

    async def identity(self, request: Request) -> Response:
        """What the camera says about itself; its evidence key is taken once."""
        body = await read_body(request, devices.MAX_IDENTITY_BYTES)

        def work() -> None:
            with self._services.database.write() as session:
                who, key = request.state.device_id, request.state.key_sha256
                devices.set_identity(session, who, body, int(time.time()), key)

        await run_in_threadpool(work)
        return Response(status_code=204)

    def receipt(self, request: Request) -> Response:
        """What time it is, signed for this camera and this nonce (16 bytes in hexadecimal); a few in an hour."""
        self._require_known(request)
        nonce = request.path_params["nonce"]
        body = self._services.receipts.give(request.state.device_id, nonce, int(time.time()))
        return Response(body, media_type=JSON, headers={"Cache-Control": "no-store"})

    def image(self, request: Request) -> Response:
        """A file of the image repository."""
        name = request.path_params["name"]
        self._require_known(request)
        if name != "timestamp.json" and not NUMBERED.match(name):
            raise NotFound("There is no such metadata.")
        path = self._services.image.folder / name
        if not path.is_file():
            raise NotFound(f"There is no {name}.")
        return FileResponse(path, media_type=JSON)

    def director(self, request: Request) -> Response:
        """A file of the camera's own director repository."""
        device_id, name = request.path_params["device_id"], request.path_params["name"]
        if device_id != request.state.device_id:
            raise Forbidden("This is another camera's director repository.")
        self._require_known(request)
        return Response(self._director_file(device_id, name), media_type=JSON)

    def _require_known(self, request: Request) -> None:
        """Let only enrolled cameras go on: a removed one still has its certificate, and so has one that is denied.

        Raises:
            Forbidden: it is not enrolled here, or it is denied.
        """
        with self._services.database.read() as session:
            devices.known(session, request.state.device_id, request.state.key_sha256)

    def _director_file(self, device_id: str, name: str) -> bytes:
        services, now = self._services, int(time.time())
        if name == "timestamp.json":
            return services.director_timestamp(device_id, now)
        match = NUMBERED.match(name)
        if match is None:
            raise NotFound("There is no such metadata.")
        version, role = int(match[1]), match[2]
        if role == "root":
            return services.director.root(version)
        with services.database.read() as session:
            return services.director.numbered(session, device_id, role, version)

    def target(self, request: Request) -> Response:
        """A target, with Range (RFC 9110, 14); its name carries its hash, so it never changes."""
        name = request.path_params["name"]
        self._require_known(request)
        path = self._services.blobs.path(name)
        headers = {"ETag": f'"{name[:64]}"', "Cache-Control": "private, max-age=31536000, immutable"}
        return FileResponse(path, media_type=BYTES, headers=headers)
