"""How the web service answers: JSON refusals with texts in both languages, pages with a strict policy. Pure."""

import json

from firmware_sim.camera.http_server import Response
from firmware_sim.camera.login import Reply
from firmware_sim.camera.web.text import TEXTS, both

# Code of a refusal -> HTTP status. The codes of the login protocol, and some of this service's own.
STATUS = {
    "denied": 401,
    "wait": 429,
    "unclaimed": 403,
    "locked": 403,
    "change_required": 403,
    "bad_request": 400,
    "policy": 422,
    "busy": 503,
    "unavailable": 503,
    "signed_out": 401,
    "forbidden": 403,
    "no_evidence": 404,
    "clock": 503,
}

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

PAGE_HEADERS = [
    ("Content-Security-Policy", CONTENT_POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
]


def json_response(
    value: dict[str, object], status: int = 200, headers: list[tuple[str, str]] | None = None
) -> Response:
    """A JSON reply.

    Raises:
        TypeError: the value is not JSON: a bug of ours.
    """
    body = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    return Response(status, body, "application/json; charset=utf-8", [*PAGE_HEADERS, *(headers or [])])


def page_response(html: str, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    """An HTML page.

    Raises:
        Nothing: text always encodes.
    """
    return Response(status, html.encode(), "text/html; charset=utf-8", [*PAGE_HEADERS, *(headers or [])])


def refusal(code: str, reply: Reply | None = None) -> Response:
    """A JSON refusal with its code, its texts, and what the login service added for people.

    Raises:
        Nothing: an unknown code is a bad request.
    """
    known = code if code in STATUS else "bad_request"
    value: dict[str, object] = {"ok": False, "code": known}
    headers: list[tuple[str, str]] = []
    message = both(f"error_{known}") if f"error_{known}" in TEXTS else both("error_bad_request")
    if reply is not None and known == "wait":
        seconds = max(1, reply.number("retry_after_s", 1))
        value["retry_after_s"] = seconds
        headers.append(("Retry-After", str(seconds)))
        message = {language: text.replace("{seconds}", str(seconds)) for language, text in message.items()}
    if reply is not None and reply.text("detail"):
        value["detail"] = reply.text("detail")
    if reply is not None and known == "policy":
        value["violations"] = reply.objects("violations")
    if reply is not None and known == "change_required":
        value["may_change"] = reply.flag("may_change")
    return json_response({**value, "message": message}, STATUS[known], headers)
