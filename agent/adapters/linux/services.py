"""Tries the camera's own services through the loopback interface, as an outsider would: TLS, and their protocols."""

import http.client
import json
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

from agent.adapters.linux.tls import loopback_context
from agent.formats.errors import Unavailable

ADDRESS = "127.0.0.1"
ANSWER_WITHIN_S = 30.0  # a login may wait for several password hashes on a slow camera
SHORT_S = 5.0  # for the question whether it answers at all
TRIES = 3  # a service that is just starting gets two more chances
PAUSE_S = 1.0
MAX_BODY_BYTES = 256 * 1024
SNAPSHOT_PATH = "/snapshot.jpg"
LOGIN_PATH = "/api/login"
HEALTH_PATH = "/health"
ONVIF_PATH = "/onvif/device_service"
STREAM_URL = "rtsps://127.0.0.1:{port}/stream"

_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
    '<s:Body><{op} xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>'
)

Answer = tuple[int, Mapping[str, str]]
Ask = Callable[[str], Answer]


class LoopbackServices:
    """`agent.ports.machine.Services` for the kinds `web`, `rtsps` and `onvif`."""

    def __init__(self, certificate: Path) -> None:
        """`certificate`: the one the services must show."""
        self._certificate = certificate

    def answers(self, service: dict[str, Any]) -> bool:
        """See `Services.answers`."""
        try:
            return self._speaks(service)
        except (OSError, http.client.HTTPException, ValueError, Unavailable):
            return False

    def enter(self, service: dict[str, Any], source: str, user: str | None, password: str) -> str:
        """See `Services.enter`; `service["way"]` is `login` (the web page's form) or `digest`."""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_S)
            try:
                found = self._enter(service, source, user, password)
            except (OSError, http.client.HTTPException, ValueError, Unavailable):
                found = "silent"
            if found != "silent":
                return found
        return "silent"

    def _speaks(self, service: dict[str, Any]) -> bool:
        port = int(service["port"])
        if service["kind"] == "rtsps":
            with Rtsp(port, ADDRESS, self._certificate, SHORT_S) as rtsp:
                return rtsp.ask("OPTIONS", "")[0] in {200, 403}
        with Http(port, ADDRESS, self._certificate, SHORT_S) as web:
            if service["kind"] == "web":
                return web.ask("GET", HEALTH_PATH, "")[0] == 200
            return web.ask("POST", ONVIF_PATH, "", _SOAP.format(op="GetSystemDateAndTime"))[0] == 200

    def _enter(self, service: dict[str, Any], source: str, user: str | None, password: str) -> str:
        port, kind = int(service["port"]), service["kind"]
        if kind == "rtsps":
            url = STREAM_URL.format(port=port)
            with Rtsp(port, source, self._certificate, ANSWER_WITHIN_S) as rtsp:
                return _with_digest(lambda login: rtsp.ask("DESCRIBE", login), "DESCRIBE", url, user, password)
        with Http(port, source, self._certificate, ANSWER_WITHIN_S) as web:
            if kind == "onvif":
                body = _SOAP.format(op="GetUsers")
                asked = lambda login: web.ask("POST", ONVIF_PATH, login, body)  # noqa: E731
                return _with_digest(asked, "POST", ONVIF_PATH, user, password)
            if service["way"] == "login" and user is not None:
                members = json.dumps({"user": user, "password": password})
                return _meaning(*web.ask("POST", LOGIN_PATH, "", members, "application/json"))
            asked = lambda login: web.ask("GET", SNAPSHOT_PATH, login)  # noqa: E731
            return _with_digest(asked, "GET", SNAPSHOT_PATH, user, password)


class Http:
    """One HTTPS connection to a service."""

    def __init__(self, port: int, source: str, certificate: Path, timeout_s: float) -> None:
        self._connection = http.client.HTTPSConnection(
            ADDRESS, port, timeout=timeout_s, source_address=(source, 0), context=loopback_context(certificate)
        )

    def __enter__(self) -> "Http":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(
        self, method: str, path: str, login: str, body: str = "", content: str = "application/soap+xml; charset=utf-8"
    ) -> Answer:
        """Status and headers of one exchange; the body is read and dropped.

        Raises:
            OSError: no connection, or no answer in time.
            HTTPException: the answer is no HTTP.
        """
        headers = {"Content-Type": content} if body else {}
        if login:
            headers["Authorization"] = login
        self._connection.request(method, path, body.encode() if body else None, headers)
        response = self._connection.getresponse()
        response.read(MAX_BODY_BYTES)
        # Several challenges come as several headers; the first is the one to answer.
        return response.status, {name.lower(): response.headers.get(name, "") for name in response.headers}


class Rtsp:
    """One RTSPS connection to a service; heads only, bodies are dropped with the connection."""

    def __init__(self, port: int, source: str, certificate: Path, timeout_s: float) -> None:
        self._port = port
        self._sequence = 0
        plain = socket.create_connection((ADDRESS, port), timeout_s, (source, 0))
        try:
            self._socket = loopback_context(certificate).wrap_socket(plain)
        except BaseException:
            plain.close()
            raise

    def __enter__(self) -> "Rtsp":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, method: str, login: str) -> Answer:
        """Status and headers of one exchange.

        Raises:
            OSError: no answer in time.
            ValueError: the answer is no RTSP.
        """
        self._sequence += 1
        lines = [f"{method} {STREAM_URL.format(port=self._port)} RTSP/1.0", f"CSeq: {self._sequence}"]
        if login:
            lines.append("Authorization: " + login)
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self._socket.recv(4096)
            if not piece or len(head) > MAX_BODY_BYTES:
                raise ValueError("the answer is no RTSP")
            head += piece
        first, *rest = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        words = first.split(" ")
        if words[0] != "RTSP/1.0" or len(words) < 2:
            raise ValueError("the answer is no RTSP")
        headers: dict[str, str] = {}
        for line in rest:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        return int(words[1]), headers


def _with_digest(ask: Ask, method: str, uri: str, user: str | None, password: str) -> str:
    """Anonymous: one question. Otherwise answer the challenge; no challenge means no entrance."""
    status, headers = ask("")
    if user is None or status != 401:
        return _meaning(status, headers)
    challenge = _challenge(headers.get("www-authenticate", ""))
    return _meaning(*ask(_authorization(challenge, method, uri, user, password)))


def _meaning(status: int, headers: Mapping[str, str]) -> str:
    if 200 <= status < 300:
        return "in"
    if status == 429 or (status == 403 and "retry-after" in headers):
        return "wait"
    return "refused" if status in {401, 403} else "silent"


def _challenge(header: str) -> dict[str, str]:
    """The members of a Digest challenge; the values of ours hold no commas.

    Raises:
        ValueError: it is another scheme, or lacks members.
    """
    scheme, _, rest = header.partition(" ")
    found: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value.strip('"'))
    if scheme != "Digest" or "nonce" not in found or "realm" not in found:
        raise ValueError("no digest challenge")
    return found


def _authorization(challenge: dict[str, str], method: str, uri: str, user: str, password: str) -> str:
    """RFC 7616, with qop=auth."""
    algorithm = challenge.get("algorithm", "MD5")
    made = sha256 if algorithm == "SHA-256" else md5

    def digest(text: str) -> str:
        return made(text.encode()).hexdigest()

    cnonce = secrets.token_hex(8)
    ha1 = digest(f"{user}:{challenge['realm']}:{password}")
    response = digest(f"{ha1}:{challenge['nonce']}:00000001:{cnonce}:auth:{digest(f'{method}:{uri}')}")
    return (
        f'Digest username="{user}", realm="{challenge["realm"]}", nonce="{challenge["nonce"]}", uri="{uri}", '
        f'algorithm={algorithm}, qop=auth, nc=00000001, cnonce="{cnonce}", response="{response}"'
    )
