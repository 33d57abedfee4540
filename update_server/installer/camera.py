"""One camera's web service, spoken to over TLS with the one certificate that it showed first.

Nobody vouches for that certificate yet: who it belongs to is proven by the label's code (`Camera.prove`), or it is not,
and then nothing that is worth anything has been sent.
"""

import contextlib
import http.client
import json
import secrets
import socket
import ssl
import threading
from hashlib import sha256
from typing import Any, NamedTuple

from agent.formats import claim_proof, fields
from agent.formats.errors import FormatError
from agent.formats.hmac import same
from agent.formats.json import parse_object
from update_server.installer.looking import Place

MEET_S = 5.0
"""For the certificate: a slow camera takes a second for a handshake, an address where nobody is never answers. The ssl
module counts a whole handshake against it."""

ANSWER_S = 30.0
CLAIM_S = 200.0
"""The camera proves a new password on all its services before it answers (docs/login-socket.md)."""

MAX_ANSWER_BYTES = 64 * 1024
CODES = ("denied", "wait", "unclaimed", "locked", "bad_request", "policy", "busy", "unavailable")


class Unreachable(Exception):
    """No answer, or none that can be understood; the message says what happened."""


class Impostor(Exception):
    """Whoever answers does not know the code of this label, or shows another certificate than before."""


class Answer(NamedTuple):
    """What the camera said.

    Attributes:
        code: empty when it did what it was asked; else why not.
        body: the whole answer.
    """

    code: str
    body: dict[str, Any]


class About(NamedTuple):
    """What a camera says about itself; not proven."""

    state: str
    serial: str
    model: str
    salt: bytes


class _Pinned(http.client.HTTPSConnection):
    """Speaks only to the holder of one certificate's key."""

    def __init__(self, place: Place, certificate: bytes, seconds: float) -> None:
        # The certificate is its own authority; a camera has an address and no name that could be looked at.
        context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(certificate))
        context.check_hostname = False
        super().__init__(place.host, place.port, timeout=seconds, context=context)
        self._context_pinned = context
        self._certificate = certificate

    def connect(self) -> None:
        """Connect, and be sure that it is that certificate itself and none that it vouches for."""
        plain = socket.create_connection((self.host, self.port), self.timeout)
        secured = self._context_pinned.wrap_socket(plain, do_handshake_on_connect=False)
        self.sock = secured
        secured.do_handshake()
        if secured.getpeercert(binary_form=True) != self._certificate:
            self.close()
            raise Impostor("another certificate")

    def cut(self) -> None:
        """End the connection from another thread, whatever is waited for: timeouts begin anew with every byte."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class Camera:
    """A camera that was met; from then on it is the one with that certificate."""

    def __init__(self, place: Place, certificate: bytes) -> None:
        self.place = place
        self._certificate = certificate

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate."""
        return sha256(self._certificate).digest()

    def about(self) -> About:
        """Ask who it says it is.

        Raises:
            Unreachable: no answer.
            Impostor: another certificate.
        """
        answer = self._ask("GET", "/api/state", None, ANSWER_S)
        try:
            state = fields.choice(answer.body, "state", ("unclaimed", "claimed", "locked"))
            if state != "unclaimed":
                return About(state, "", "", b"")
            return About(
                state,
                fields.name(answer.body, "serial", 64),
                fields.text(answer.body, "model", 64),
                bytes.fromhex(fields.hexadecimal(answer.body, "claim_salt", 16)),
            )
        except FormatError as error:
            raise Unreachable(f"no camera with Camward ({error.detail})") from error

    def prove(self, salt: bytes, code: str) -> Answer:
        """Prove to each other that both know the code (agent.formats.claim_proof); ok means that this is the camera.

        Raises:
            Unreachable: no answer.
            Impostor: whoever answers does not know the code.
        """
        nonce = secrets.token_bytes(claim_proof.NONCE_BYTES)
        known = claim_proof.verifier(salt, code)
        ours = claim_proof.client_proof(known, nonce, self.fingerprint)
        answer = self._ask("POST", "/api/claim-proof", {"nonce": nonce.hex(), "proof": ours.hex()}, ANSWER_S)
        if not answer.code:
            theirs = str(answer.body.get("proof")).encode("ascii", "replace")
            if not same(theirs, claim_proof.camera_proof(known, nonce, self.fingerprint).hex().encode()):
                raise Impostor("a wrong proof")
        return answer

    def claim(self, code: str, user: str, password: str) -> Answer:
        """Claim. Only after `prove` has said ok.

        Raises:
            Unreachable: no answer; it may have been claimed all the same.
            Impostor: another certificate.
        """
        return self._ask("POST", "/api/claim", {"code": code, "user": user, "password": password}, CLAIM_S)

    def log_in(self, user: str, password: str) -> Answer:
        """Try a password.

        Raises:
            Unreachable: no answer.
            Impostor: another certificate.
        """
        return self._ask("POST", "/api/login", {"user": user, "password": password}, ANSWER_S)

    def _ask(self, method: str, path: str, members: dict[str, str] | None, seconds: float) -> Answer:
        connection = _Pinned(self.place, self._certificate, seconds)
        late = threading.Timer(seconds, connection.cut)
        late.daemon = True
        late.start()
        try:
            body = None if members is None else json.dumps(members).encode()
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            reply = connection.getresponse()
            said = parse_object(_read(reply), MAX_ANSWER_BYTES, floats=True)
        except ssl.SSLCertVerificationError as error:
            raise Impostor("another certificate") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        except FormatError as error:
            raise Unreachable(f"no camera with Camward ({error.detail})") from error
        finally:
            late.cancel()
            connection.close()
        if said.get("ok") is True and reply.status < 300:
            return Answer("", said)
        return Answer(str(said.get("code")) if said.get("code") in CODES else "bad_request", said)


def meet(place: Place) -> Camera:
    """Take the certificate that is shown there.

    Raises:
        Unreachable: nothing there speaks TLS, or too slowly.
    """
    try:
        pem = ssl.get_server_certificate((place.host, place.port), timeout=MEET_S)
        return Camera(place, ssl.PEM_cert_to_DER_cert(pem))
    except (OSError, ValueError) as error:
        raise Unreachable(_why(error)) from error


def _read(reply: http.client.HTTPResponse) -> bytes:
    """The body, of bounded length: whoever answers may be anybody."""
    found = b""
    while piece := reply.read1(MAX_ANSWER_BYTES + 1 - len(found)):
        found += piece
        if len(found) > MAX_ANSWER_BYTES:
            raise http.client.HTTPException("an answer that is too long")
    return found


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host"
    return (error.strerror or str(error) if isinstance(error, OSError) else str(error)) or type(error).__name__
