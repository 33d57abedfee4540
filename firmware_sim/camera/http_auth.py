"""Authorization headers of HTTP and RTSP (RFC 7616 digest, RFC 7617 basic) turned into questions to the login service.

Digest answers are checked by whoever holds the password's hash, never here; here is checked that the answer was
computed for this very request.
"""

import base64
import binascii
import re
from typing import NamedTuple

from firmware_sim.camera.login import Login, LoginUnavailable, Reply, Service
from firmware_sim.camera.messages import Head

MAX_FIELD_CHARACTERS = 512
"""Of any digest parameter; the agent's line holds 4 KiB."""

ALGORITHMS = ("SHA-256", "MD5")
"""Strongest first (RFC 7616 section 3.7).

MD5 is last and stays for ffmpeg and older recorders, which know nothing else.
"""

_PARAMETER = re.compile(r'\s*([A-Za-z-]{1,20})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')


class Digest(NamedTuple):
    """The parameters of one digest answer, unquoted; `qop`, `nc` and `cnonce` are empty in the RFC 2069 form."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str
    qop: str
    nc: str
    cnonce: str


class Basic(NamedTuple):
    """A user name and password sent as they are: acceptable over TLS alone."""

    user: str
    password: str


def parse_authorization(value: str) -> Digest | Basic | None:
    """The credentials of an Authorization header; None when absent or not understood, which is no login either way.

    Raises:
        Nothing: what cannot be read is None.
    """
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "basic":
        return _parse_basic(rest.strip())
    if scheme.lower() == "digest":
        return _parse_digest(rest)
    return None


def _parse_basic(text: str) -> Basic | None:
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return Basic(user, password) if colon else None


def _parse_digest(text: str) -> Digest | None:
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            return None
        name = match[1].lower()
        value = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        if name in found or len(value) > MAX_FIELD_CHARACTERS:
            return None
        found[name] = value
        position = match.end()
    if not {"username", "realm", "nonce", "uri", "response"} <= found.keys():
        return None
    return Digest(
        user=found["username"],
        realm=found["realm"],
        nonce=found["nonce"],
        uri=found["uri"],
        response=found["response"],
        algorithm=found.get("algorithm", "MD5"),
        qop=found.get("qop", ""),
        nc=found.get("nc", ""),
        cnonce=found.get("cnonce", ""),
    )


class Gate:
    """The login question of one service, asked through its Authorization headers.

    Attributes:
        basic_allowed: offer and accept Basic; only ever set for a listener behind TLS.
        own_nonces: take the nonce alone that this gate has given last; for a gate of one connection.
    """

    def __init__(self, login: Login, service: Service, basic_allowed: bool, own_nonces: bool = False) -> None:
        self._login = login
        self._service = service
        self.basic_allowed = basic_allowed
        self.own_nonces = own_nonces
        self._given = ""

    def check(self, head: Head, source: str) -> Reply | None:
        """Ask about the credentials of a request.

        Returns:
            The login service's reply; None when the request carries none that can be asked about, so a challenge is
            due.

        Raises:
            LoginUnavailable: no answer: refuse.
        """
        credentials = parse_authorization(head.get("authorization"))
        if isinstance(credentials, Digest):
            return self._check_digest(credentials, head, source)
        if isinstance(credentials, Basic) and self.basic_allowed:
            return self._login.ask(self._service, "login", source, user=credentials.user, password=credentials.password)
        return None

    def _check_digest(self, digest: Digest, head: Head, source: str) -> Reply | None:
        if digest.uri != head.target or digest.algorithm not in ALGORITHMS or digest.qop not in {"", "auth"}:
            return None
        if self.own_nonces and digest.nonce != self._given:
            return None
        fields: dict[str, object] = {
            "user": digest.user,
            "realm": digest.realm,
            "nonce": digest.nonce,
            "uri": digest.uri,
            "method": head.method,
            "response": digest.response.lower(),
            "algorithm": digest.algorithm,
        }
        if digest.qop:
            fields |= {"qop": digest.qop, "nc": digest.nc, "cnonce": digest.cnonce}
        return self._login.ask(self._service, "digest", source, **fields)

    def challenges(self, source: str, stale: bool = False) -> list[tuple[str, str]]:
        """WWW-Authenticate headers with a fresh nonce.

        Raises:
            LoginUnavailable: no nonce can be had: refuse.
        """
        reply = self._login.ask(self._service, "nonce", source)
        nonce, realm, opaque = reply.text("nonce"), reply.text("realm"), reply.text("opaque")
        if not reply.ok or not nonce or not all(_quotable(text) for text in (nonce, realm, opaque)):
            raise LoginUnavailable("the login service gave no nonce")
        self._given = nonce
        headers = []
        for algorithm in ALGORITHMS:
            value = f'Digest realm="{realm}", qop="auth", algorithm={algorithm}, nonce="{nonce}"'
            value += f', opaque="{opaque}"' if opaque else ""
            headers.append(("WWW-Authenticate", value + (", stale=true" if stale else "")))
        if self.basic_allowed:
            headers.append(("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"'))
        return headers


def _quotable(text: str) -> bool:
    return text.isascii() and text.isprintable() and not set(text) & {'"', "\\"}
