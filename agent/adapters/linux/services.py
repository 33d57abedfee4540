"""Tries the camera's own services through the loopback interface, as an outsider would: TLS, and their protocols."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.adapters.linux.digest_client import authorization, challenge_of
from agent.adapters.linux.http_wire import Wire
from agent.adapters.linux.rtsp_client import WHOLE, Rtsp, play
from agent.adapters.linux.tls import loopback_context
from agent.formats import ws_token
from agent.formats.errors import Unavailable

ADDRESS = "127.0.0.1"
ANSWER_WITHIN_S = 30.0  # a login may wait for several password hashes on a slow camera
SHORT_S = 5.0  # for the question whether it answers at all
TRIES = 3  # a service that is just starting gets two more chances
PAUSE_S = 1.0
MAX_BODY_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 2 * MAX_BODY_BYTES  # its head and the heads of chunks with it
SNAPSHOT_PATH = "/snapshot.jpg"
LOGIN_PATH = "/api/login"
HEALTH_PATH = "/health"
ONVIF_PATH = "/onvif/device_service"

_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"

_SECURITY = (
    f'<s:Header><w:Security xmlns:w="{_WSS}wssecurity-secext-1.0.xsd" xmlns:u="{_WSS}wssecurity-utility-1.0.xsd">'
    f'<w:UsernameToken><w:Username>{{user}}</w:Username><w:Password Type="{_WSS}username-token-profile-1.0'
    '#PasswordDigest">{digest}</w:Password><w:Nonce>{nonce}</w:Nonce><u:Created>{created}</u:Created>'
    "</w:UsernameToken></w:Security></s:Header>"
)

_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
    '{header}<s:Body><{op} xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>'
)

Answer = tuple[int, Mapping[str, str]]
Ask = Callable[[str], Answer]


class LoopbackServices:
    """`agent.ports.machine.Services` for the kinds `web`, `rtsps`, `onvif`, and `rtsp` in the clear."""

    def __init__(self, certificate: Path) -> None:
        """`certificate`: the one the services must show."""
        self._certificate = certificate
        self._source = ""  # of the connections that are kept
        self._kept: dict[tuple[str, int], Http | Rtsp] = {}  # by kind and port

    def answers(self, service: dict[str, Any]) -> bool:
        """See `Services.answers`."""
        try:
            return self._speaks(service)
        except (OSError, http.client.HTTPException, ValueError, Unavailable):
            return False

    def enter(self, service: dict[str, Any], source: str, user: str | None, password: str) -> str:
        """See `Services.enter`; `service["way"]` is `login` (the web page's form), `digest`, or `ws_token`.

        For the last, `nonce` and `created` are in `service` as well.
        """
        kept = self._is_kept(service, source)
        for attempt in range(-1 if kept else 0, TRIES):  # a kept connection may be closed by now: that is no try
            if attempt > 0:
                time.sleep(PAUSE_S)
            try:
                found = self._enter(service, source, user, password)
            except (OSError, http.client.HTTPException, ValueError, Unavailable):
                found = "silent"
            if found != "silent":
                return found
            self._drop(service)
        return "silent"

    def leave(self) -> None:
        """See `Services.leave`."""
        kept, self._kept = self._kept, {}
        for connection in kept.values():
            connection.close()

    def plays(self, service: dict[str, Any], source: str, user: str, password: str) -> bool:
        """See `Services.plays`."""
        try:
            with Rtsp(int(service["port"]), source, self._certificate, ANSWER_WITHIN_S) as rtsp:
                return play(rtsp, user, password) > 0
        except (OSError, ValueError, Unavailable):
            return False

    def _speaks(self, service: dict[str, Any]) -> bool:
        port = int(service["port"])
        if service["kind"] == "rtsps":
            with Rtsp(port, ADDRESS, self._certificate, SHORT_S) as rtsp:
                return rtsp.ask("OPTIONS", "")[0] in {200, 403}
        with Http(port, ADDRESS, self._certificate, SHORT_S) as web:
            if service["kind"] == "web":
                return web.ask("GET", HEALTH_PATH, "")[0] == 200
            return web.ask("POST", ONVIF_PATH, "", _SOAP.format(header="", op="GetSystemDateAndTime"))[0] == 200

    def _enter(self, service: dict[str, Any], source: str, user: str | None, password: str) -> str:
        port, kind = int(service["port"]), service["kind"]
        to = self._connection(kind, port, source)
        if isinstance(to, Rtsp):
            return _with_digest(lambda login: to.ask("DESCRIBE", login), "DESCRIBE", to.url, user, password)
        if kind == "onvif":
            if service["way"] == "ws_token" and user is not None:
                signed = _SOAP.format(header=_security(service, user, password), op="GetCapabilities")
                return _meaning(*to.ask("POST", ONVIF_PATH, "", signed))
            body = _SOAP.format(header="", op="GetDeviceInformation")  # every role may ask, and nobody without one
            return _with_digest(
                lambda login: to.ask("POST", ONVIF_PATH, login, body), "POST", ONVIF_PATH, user, password
            )
        if service["way"] == "login" and user is not None:
            members = json.dumps({"user": user, "password": password})
            return _meaning(*to.ask("POST", LOGIN_PATH, "", members, "application/json"))
        return _with_digest(lambda login: to.ask("GET", SNAPSHOT_PATH, login), "GET", SNAPSHOT_PATH, user, password)

    def _connection(self, kind: str, port: int, source: str) -> "Http | Rtsp":
        """The kept connection, or a new one. A handshake costs a small camera more than all else that a try does."""
        if source != self._source:
            self.leave()
            self._source = source
        if (kind, port) not in self._kept:
            if kind in ("rtsps", "rtsp"):
                certificate = self._certificate if kind == "rtsps" else None
                self._kept[kind, port] = Rtsp(port, source, certificate, ANSWER_WITHIN_S)
            else:
                self._kept[kind, port] = Http(port, source, self._certificate, ANSWER_WITHIN_S)
        self._kept[kind, port].within(WHOLE * ANSWER_WITHIN_S)
        return self._kept[kind, port]

    def _is_kept(self, service: dict[str, Any], source: str) -> bool:
        return source == self._source and (service["kind"], int(service["port"])) in self._kept

    def _drop(self, service: dict[str, Any]) -> None:
        connection = self._kept.pop((service["kind"], int(service["port"])), None)
        if connection is not None:
            connection.close()


class _Connection(http.client.HTTPSConnection):
    """Reads and writes through a `Wire`: a service that answers byte by byte has its time, and no more."""

    ends_at = 0.0  # monotonic

    def connect(self) -> None:
        super().connect()
        self.sock = Wire(self.sock, float(self.timeout or 0), time.monotonic)
        self.allow()

    def allow(self) -> None:
        """What counts for the next answer."""
        if isinstance(self.sock, Wire):
            self.sock.allow(self.ends_at, MAX_ANSWER_BYTES)


class Http:
    """One HTTPS connection to a service."""

    def __init__(self, port: int, source: str, certificate: Path, timeout_s: float) -> None:
        """`timeout_s`: for each silence; all until the next `within` has `WHOLE` times as long."""
        self._connection = _Connection(
            ADDRESS, port, timeout=timeout_s, source_address=(source, 0), context=loopback_context(certificate)
        )
        self.within(WHOLE * timeout_s)

    def __enter__(self) -> "Http":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._connection.close()

    def within(self, seconds: float) -> None:
        """All that is asked from now on has so long together, connecting included."""
        self._connection.ends_at = time.monotonic() + seconds

    def ask(
        self, method: str, path: str, login: str, body: str = "", content: str = "application/soap+xml; charset=utf-8"
    ) -> Answer:
        """Status and headers of one exchange; the body is read and dropped.

        Raises:
            OSError: no connection, or no answer in time.
            HTTPException: the answer is no HTTP.
            Unavailable: it takes too long as a whole, or is too long.
        """
        headers = {"Content-Type": content} if body else {}
        if login:
            headers["Authorization"] = login
        self._connection.allow()
        self._connection.request(method, path, body.encode() if body else None, headers)
        response = self._connection.getresponse()
        response.read(MAX_BODY_BYTES)
        # Several challenges come as several headers; the first is the one to answer.
        return response.status, {name.lower(): response.headers.get(name, "") for name in response.headers}


def _with_digest(ask: Ask, method: str, uri: str, user: str | None, password: str) -> str:
    """Anonymous: one question. Otherwise answer the challenge; no challenge means no entrance."""
    status, headers = ask("")
    if user is None or status != 401:
        return _meaning(status, headers)
    challenge = challenge_of(headers.get("www-authenticate", ""))
    return _meaning(*ask(authorization(challenge, method, uri, user, password)))


def _security(service: Mapping[str, Any], user: str, secret: str) -> str:
    from html import escape  # late: its table of entities costs 2 % of the agent's start

    nonce, created = str(service["nonce"]), str(service["created"])
    digest = ws_token.digest(ws_token.parse_nonce(nonce), created, secret)
    return _SECURITY.format(user=escape(user), digest=digest, nonce=nonce, created=created)


def _meaning(status: int, headers: Mapping[str, str]) -> str:
    if 200 <= status < 300:
        return "in"
    if status == 429 or (status == 403 and "retry-after" in headers):
        return "wait"
    return "refused" if status in {401, 403} else "silent"
