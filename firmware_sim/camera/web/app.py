"""The web service: which path does what, for whom, in which state of the camera.

The order of checks is the rule list: (1) Host is this camera's; (2) a POST comes from our own page or a tool; (3) the
path exists; (4) the login service tells the state, and an unclaimed or locked camera serves only what the table
allows; (5) the path's own login. No answer from the login service at (4) or (5) is a refusal.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from firmware_sim.camera.http_auth import Gate
from firmware_sim.camera.http_server import Handler, Request, Response
from firmware_sim.camera.jpeg import jpeg_file
from firmware_sim.camera.login import Login, LoginUnavailable, Reply, service_state, still_stands
from firmware_sim.camera.pattern import TestPattern
from firmware_sim.camera.web import pages
from firmware_sim.camera.web.members import json_fields
from firmware_sim.camera.web.offers import Offers
from firmware_sim.camera.web.origin import host_allowed, same_origin
from firmware_sim.camera.web.replies import PAGE_HEADERS, json_response, page_response, refusal
from firmware_sim.camera.web.sessions import Session, Sessions
from firmware_sim.camera.web.text import Language, choose_language
from firmware_sim.camera.web.ws_tokens import WsTokens

SESSION_COOKIE = "__Host-camward"
LANGUAGE_COOKIE = "__Host-language"

LANGUAGE_SWITCH = {"lang=en": "en", "lang=ja": "ja"}
"""The queries of the start page."""

MAX_EVIDENCE_BYTES = 1_048_576
"""Sixteen criteria with their facts take about 20 KiB."""

_SCRIPTS = ("app", "updates", "offers", "due", "accounts", "ssh", "plain_rtsp", "ws_tokens")
STATICS = {f"/static/{name}.js": "text/javascript; charset=utf-8" for name in _SCRIPTS} | {
    "/static/style.css": "text/css; charset=utf-8",
    "/static/icon.svg": "image/svg+xml",
}

Answer = Callable[[Request], Response]
Fields = dict[str, str]


class Route(NamedTuple):
    """One path.

    Attributes:
        answer: makes the response.
        unclaimed: whether it is served before the claim, and while locked.
        asks_state: whether the state decides at all; False only for what says nothing about this camera.
    """

    answer: Answer
    unclaimed: bool = False
    asks_state: bool = True


class WebApp:
    """The handler of the HTTPS listener; threads may share it."""

    def __init__(
        self,
        *,
        login: Login,
        pattern: TestPattern,
        sessions: Sessions,
        onvif: Handler,
        version: str,
        hosts: tuple[str, ...],
        evidence_dir: Path,
        upload_dir: Path,
        frame_number: Callable[[], int],
    ) -> None:
        self._login = login
        self._pattern = pattern
        self._sessions = sessions
        self._version = version
        self._hosts = hosts
        self._evidence_dir = evidence_dir
        self._frame_number = frame_number
        offers = Offers(login, self._with_grant, evidence_dir, upload_dir)
        ws_tokens = WsTokens(self._with_grant)
        self._gate = Gate(login, "web", basic_allowed=False)
        folder = Path(__file__).parent.parent / "static"
        self._statics = {path: (folder / path.rpartition("/")[2]).read_bytes() for path in STATICS}
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", "/"): Route(self._page, unclaimed=True),
            ("GET", "/health"): Route(self._health, unclaimed=True, asks_state=False),
            ("GET", "/snapshot.jpg"): Route(self._snapshot),
            ("GET", "/api/state"): Route(self._state, unclaimed=True),
            ("POST", "/api/claim-proof"): Route(self._claim_proof, unclaimed=True),
            ("POST", "/api/claim"): Route(self._claim, unclaimed=True),
            ("POST", "/api/policy"): Route(self._policy, unclaimed=True),
            ("POST", "/api/login"): Route(self._sign_in),
            ("POST", "/api/logout"): Route(self._sign_out),
            ("GET", "/api/device"): Route(self._device),
            ("GET", "/api/evidence"): Route(self._evidence),
            ("POST", "/api/enrol"): Route(self._task("enrol", "token")),
            ("POST", "/api/disown"): Route(self._task("disown", "password")),
            ("POST", "/api/transfer"): Route(self._task("transfer", "password", "token")),
            ("POST", "/api/erase"): Route(self._task("erase", "password")),
            ("POST", "/api/erase-locked"): Route(self._erase_locked, unclaimed=True),
            ("POST", "/api/update-now"): Route(self._task("update_now")),
            ("POST", "/api/postpone"): Route(self._task("postpone", "hours")),
            ("POST", "/api/open-ssh"): Route(self._task("open_ssh", "password", "minutes")),
            ("POST", "/api/close-ssh"): Route(self._task("close_ssh")),
            ("POST", "/api/open-plain-rtsp"): Route(self._task("open_plain_rtsp", "password", "port", "days")),
            ("POST", "/api/close-plain-rtsp"): Route(self._task("close_plain_rtsp")),
            ("POST", "/api/settings"): Route(self._task("settings", "windows", "time_zone")),
            ("GET", "/api/offer"): Route(offers.offer),
            ("POST", "/api/install"): Route(self._task("install", "version")),
            ("POST", "/api/bundle"): Route(_with_length(offers.begin)),
            ("POST", "/api/bundle/piece"): Route(offers.piece),
            ("POST", "/api/bundle/install"): Route(_if_json(offers.install)),
            ("POST", "/api/change-password"): Route(self._change_password),
            ("POST", "/api/change-due"): Route(self._change_due),
            ("GET", "/api/ws-tokens"): Route(ws_tokens.listed),
            ("POST", "/api/ws-token-on"): Route(ws_tokens.on),
            ("POST", "/api/ws-token-off"): Route(ws_tokens.off),
            # ONVIF refuses by SOAP faults, so it asks for the state itself.
            ("POST", "/onvif/device_service"): Route(onvif, unclaimed=True, asks_state=False),
        }
        for path in STATICS:
            self._routes["GET", path] = Route(self._static, unclaimed=True, asks_state=False)

    def handle(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            Nothing: refusals are responses.
        """
        if not host_allowed(request.head, self._hosts):
            return _plain(421, "This camera is not called by that name.")
        method = "GET" if request.head.method == "HEAD" else request.head.method
        if method == "POST" and not same_origin(request.head):
            return _plain(403, "Refused: the request comes from another site.")
        route = self._routes.get((method, request.path))
        try:
            if route is None or route.asks_state:
                state = service_state(self._login, "web", request.source)
                if state != "claimed" and (route is None or not route.unclaimed):
                    return refusal(state)
            if route is None:
                return _plain(404, "There is nothing here.")
            return route.answer(request)
        except LoginUnavailable:
            if request.path == "/":
                return page_response(pages.notice_page(_language(request), "unavailable"), 503, [("Retry-After", "5")])
            return refusal("unavailable")

    # Pages

    def _page(self, request: Request) -> Response:
        if request.query in LANGUAGE_SWITCH:
            chosen = LANGUAGE_SWITCH[request.query]
            cookie = f"{LANGUAGE_COOKIE}={chosen}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=31536000"
            return Response(303, b"", "text/plain", [("Location", "/"), ("Set-Cookie", cookie)])
        language = _language(request)
        reply = self._login.ask("web", "state", request.source)
        state = reply.text("state")
        vary = [("Vary", "Accept-Language, Cookie")]
        if state == "unclaimed":
            return page_response(pages.claim_page(language, reply.text("model"), reply.text("serial")), headers=vary)
        if state != "claimed":
            quarantined = reply.flag("quarantined")
            page = pages.quarantine_page(language, reply.text("reason")) if quarantined else None
            return page_response(page or pages.notice_page(language, "locked"), 403, vary)
        session = self._session(request)
        if session is None:
            return page_response(pages.sign_in_page(language), headers=vary)
        return page_response(pages.home_page(language, session.user, session.role), headers=vary)

    def _static(self, request: Request) -> Response:
        return Response(200, self._statics[request.path], STATICS[request.path], PAGE_HEADERS)

    # What tools and the pages' script ask

    def _health(self, request: Request) -> Response:
        return json_response({"ok": True, "version": self._version})

    def _state(self, request: Request) -> Response:
        reply = self._login.ask("web", "state", request.source)
        names = ["state", "claimable", "model", "claim_salt"]
        if reply.text("state") == "unclaimed" or self._session(request) is not None:
            names += ["hardware", "serial", "version"]
        return json_response({"ok": True, **{name: reply.fields[name] for name in names if name in reply.fields}})

    def _claim_proof(self, request: Request) -> Response:
        """For tools: a page cannot know which certificate its browser was shown."""
        fields = json_fields(request, "nonce", "proof")
        if fields is None:
            return refusal("bad_request")
        reply = self._login.ask("web", "claim_proof", request.source, **fields)
        return json_response({"ok": True, "proof": reply.text("proof")}) if reply.ok else refusal(reply.code, reply)

    def _claim(self, request: Request) -> Response:
        fields = json_fields(request, "code", "user", "password")
        if fields is None:
            return refusal("bad_request")
        return self._open_session(request, fields["user"], "claim", fields)

    def _sign_in(self, request: Request) -> Response:
        fields = json_fields(request, "user", "password")
        if fields is None:
            return refusal("bad_request")
        return self._open_session(request, fields["user"], "login", fields)

    def _open_session(self, request: Request, user: str, op: str, fields: Fields) -> Response:
        reply = self._login.ask("web", op, request.source, **fields)
        if not reply.ok:
            return refusal(reply.code, reply)
        session = self._sessions.open(user, reply.text("role"), reply.text("grant"), reply.text("generation"))
        cookie = f"{SESSION_COOKIE}={session.identifier}; Path=/; Secure; HttpOnly; SameSite=Strict"
        told = {"ok": True, "role": session.role, "settled": reply.flag("settled")}
        return json_response(told, headers=[("Set-Cookie", cookie)])

    def _sign_out(self, request: Request) -> Response:
        session = self._session(request)
        if session is not None:
            self._sessions.close(session.identifier)
        cookie = f"{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"
        return json_response({"ok": True}, headers=[("Set-Cookie", cookie)])

    def _policy(self, request: Request) -> Response:
        fields = json_fields(request, "user", "password")
        if fields is None:
            return refusal("bad_request")
        asked: dict[str, object] = {**fields}
        if service_state(self._login, "web", request.source) == "claimed":
            session = self._session(request)
            if session is None:
                return refusal("signed_out")
            asked["grant"] = session.grant
        reply = self._login.ask("web", "policy", request.source, **asked)
        if not reply.ok:
            return refusal(reply.code, reply)
        return json_response({"ok": True, "violations": reply.objects("violations")})

    def _device(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return refusal("signed_out")
        reply = self._login.ask("web", "device", request.source, grant=session.grant)
        if reply.code == "denied":  # the grant is over, and the session with it
            self._sessions.close(session.identifier)
            return refusal("signed_out")
        if not reply.ok:
            return refusal(reply.code, reply)
        return json_response({"ok": True, **reply.fields})

    def _evidence(self, request: Request) -> Response:
        reply = self._with_grant(request, "evidence")
        if isinstance(reply, Response):
            return reply
        path = Path(reply.text("path"))
        if path.parent != self._evidence_dir:
            return refusal("unavailable")
        try:
            with path.open("rb") as file:
                data = file.read(MAX_EVIDENCE_BYTES + 1)
        except FileNotFoundError:
            return refusal("no_evidence")
        except OSError:
            return refusal("unavailable")
        if len(data) > MAX_EVIDENCE_BYTES:
            return refusal("unavailable")
        return Response(200, data, "application/json; charset=utf-8", PAGE_HEADERS)

    def _task(self, op: str, *names: str) -> Answer:
        """What a session orders, and is answered as the agent answers; `names`: the members of its request."""

        def answer(request: Request) -> Response:
            fields = json_fields(request, *names)
            if fields is None:
                return refusal("bad_request")
            reply = self._with_grant(request, op, wrong="denied" if "password" in names else "forbidden", **fields)
            if isinstance(reply, Response):
                return reply
            return json_response({"ok": True, **reply.fields}, 202)

        return answer

    def _erase_locked(self, request: Request) -> Response:
        """In quarantine, where there are no sessions; the agent refuses it elsewhere."""
        fields = json_fields(request, "user", "password")
        if fields is None:
            return refusal("bad_request")
        reply = self._login.ask("web", "erase_locked", request.source, **fields)
        return json_response({"ok": True, **reply.fields}, 202) if reply.ok else refusal(reply.code, reply)

    def _change_password(self, request: Request) -> Response:
        fields = json_fields(request, "old", "new")
        session = self._session(request)
        if session is None:
            return refusal("signed_out")
        if fields is None:
            return refusal("bad_request")
        return self._changed(request, session.user, fields)

    def _change_due(self, request: Request) -> Response:
        """For somebody whose password opens nothing else; wrong ones count as wrong tries."""
        fields = json_fields(request, "user", "old", "new")
        if fields is None:
            return refusal("bad_request")
        return self._changed(request, fields.pop("user"), fields)

    def _changed(self, request: Request, user: str, fields: Fields) -> Response:
        reply = self._login.ask("web", "change_password", request.source, user=user, **fields)
        return json_response({"ok": True}) if reply.ok else refusal(reply.code, reply)

    def _snapshot(self, request: Request) -> Response:
        if self._session(request) is None:
            refused = self._refuse_snapshot(request)
            if refused is not None:
                return refused
        picture = jpeg_file(self._pattern.frame(self._frame_number()))
        return Response(200, picture, "image/jpeg", PAGE_HEADERS)

    def _refuse_snapshot(self, request: Request) -> Response | None:
        """None when the request's digest is good. A browser's own image request gets no password dialog."""
        reply = self._gate.check(request.head, request.source)
        if reply is not None and reply.ok:
            return None
        if reply is not None and reply.code != "denied":
            return refusal(reply.code, reply)
        if request.head.get("sec-fetch-dest") == "image":
            return refusal("signed_out")
        stale = reply is not None and reply.flag("stale")
        response = refusal("denied")
        challenges = self._gate.challenges(request.source, stale)
        return Response(401, response.body, response.content_type, [*response.headers, *challenges])

    # Sessions

    def _session(self, request: Request) -> Session | None:
        """The session of the request's cookie, if the password that has opened it is still that user's."""
        session = self._sessions.find(_cookie(request, SESSION_COOKIE))
        if session is None:
            return None
        if still_stands(self._login, "web", request.source, session.user, session.generation):
            return session
        self._sessions.close(session.identifier)
        return None

    def _with_grant(self, request: Request, op: str, wrong: str = "forbidden", **fields: object) -> Reply | Response:
        """Ask in the name of the session; a refusal comes back as the response to give.

        `wrong`: what a denial means; where a password was sent along, that it may have been wrong.
        """
        session = self._session(request)
        if session is None:
            return refusal("signed_out")
        reply = self._login.ask("web", op, request.source, grant=session.grant, **fields)
        if reply.ok:
            return reply
        return refusal(wrong if reply.code == "denied" else reply.code, reply)


def _language(request: Request) -> Language:
    chosen = _cookie(request, LANGUAGE_COOKIE)
    if chosen in {"en", "ja"}:
        return "ja" if chosen == "ja" else "en"
    return choose_language(request.head.get("accept-language"))


def _cookie(request: Request, name: str) -> str:
    for part in request.head.get("cookie").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def _with_length(begin: Callable[[Request, str], Response]) -> Answer:
    def answer(request: Request) -> Response:
        fields = json_fields(request, "length")
        return refusal("bad_request") if fields is None else begin(request, fields["length"])

    return answer


def _if_json(act: Answer) -> Answer:
    return lambda request: refusal("bad_request") if json_fields(request) is None else act(request)


def _plain(status: int, text: str) -> Response:
    return Response(status, text.encode() + b"\n", "text/plain; charset=utf-8", PAGE_HEADERS)
