"""Updates without a server, on the camera's page: what is announced, one click, and the upload of a bundle.

The agent decides everything. This module hands its announcement on, and writes an upload, piece by piece, into the
file that the agent has made room for; never more than was said in advance.
"""

import hmac
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from firmware_sim.camera.http_server import Request, Response
from firmware_sim.camera.login import Login, Reply
from firmware_sim.camera.web.replies import json_response, refusal
from firmware_sim.camera.web.text import Language, say

MAX_OFFER_BYTES = 65_536
"""Notes of 4000 characters in two languages take 20 KiB at most."""

MAX_LENGTH_DIGITS = 12

TICKET_HEADER = "camward-upload"

WithGrant = Callable[..., Reply | Response]


class Upload(NamedTuple):
    """The upload under way: the ticket that the agent gave for it, where it goes, how long it will be."""

    ticket: str
    path: Path
    length_bytes: int


class Offers:
    """The answers; `ask(request, op, **fields)` asks the agent in the name of the request's session."""

    def __init__(
        self,
        login: Login,
        ask: WithGrant,
        offer_dir: Path,
        upload_dir: Path,
    ) -> None:
        self._login = login
        self._ask = ask
        self._offer_dir = offer_dir
        self._upload_dir = upload_dir
        self._upload: Upload | None = None
        self._lock = threading.Lock()

    def offer(self, request: Request) -> Response:
        """What is announced, null for nothing.

        Raises:
            LoginUnavailable: the agent does not answer.
        """
        reply = self._ask(request, "offer")
        if isinstance(reply, Response):
            return reply
        path = reply.text("path")
        found: object = None
        if path:
            if Path(path).parent != self._offer_dir:
                return refusal("unavailable")
            try:
                with Path(path).open("rb") as file:
                    found = json.loads(file.read(MAX_OFFER_BYTES))
            except (OSError, ValueError):
                return refusal("unavailable")  # it is being replaced: the page asks again
        return json_response({"ok": True, "offer": found})

    def begin(self, request: Request, length: str) -> Response:
        """Have the agent make room for an upload.

        Raises:
            LoginUnavailable: the agent does not answer.
        """
        if not (length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
            return refusal("bad_request")
        reply = self._ask(request, "upload", length=length)
        if isinstance(reply, Response):
            return reply
        path = Path(reply.text("path"))
        if path.parent != self._upload_dir:
            return refusal("unavailable")
        with self._lock:
            self._upload = Upload(reply.text("ticket"), path, int(length))
        return json_response({"ok": True, "ticket": reply.text("ticket")})

    def piece(self, request: Request) -> Response:
        """Write one piece (`?at=OFFSET`, the body as it is) of the upload that the ticket is for.

        The ticket counts, not the session: on a slow camera an upload may last longer than one.

        Raises:
            Nothing: refusals are responses.
        """
        # No HTML form can send this type, or the header with the ticket: a part of the cross-site defence.
        if request.head.get("content-type") != "application/octet-stream":
            return refusal("bad_request")
        name, _, text = request.query.partition("=")
        if name != "at" or not (text.isascii() and text.isdigit() and len(text) <= MAX_LENGTH_DIGITS):
            return refusal("bad_request")
        at = int(text)
        with self._lock:
            upload = self._upload
            if upload is None or not _is_ticket(request, upload):
                return refusal("forbidden")
            if not request.body or at + len(request.body) > upload.length_bytes:
                return refusal("bad_request")
            try:
                _write(upload.path, request.body, at)
            except OSError:
                self._upload = None  # the agent has taken it away
                return refusal("unavailable")
        return json_response({"ok": True})

    def install(self, request: Request) -> Response:
        """The upload is whole: have it verified and installed.

        Raises:
            LoginUnavailable: the agent does not answer.
        """
        with self._lock:
            upload = self._upload
            if upload is None or not _is_ticket(request, upload):
                return refusal("forbidden")
            self._upload = None
        reply = self._login.ask("web", "install_bundle", request.source, ticket=upload.ticket)
        if not reply.ok:
            return refusal("forbidden" if reply.code == "denied" else reply.code, reply)
        return json_response({"ok": True, "task": reply.text("task")}, 202)


def _is_ticket(request: Request, upload: Upload) -> bool:
    return hmac.compare_digest(request.head.get(TICKET_HEADER).encode(), upload.ticket.encode())


def _write(path: Path, body: bytes, at: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        view = memoryview(body)
        while view:
            written = os.pwrite(file, view, at)
            view, at = view[written:], at + written
    finally:
        os.close(file)


def section(language: Language, administrator: bool) -> str:
    """The part of the page; offers.js fills it in.

    Raises:
        Nothing: it has no variable part.
    """
    notice = '<p class="notice" data-notice role="alert" hidden></p>'
    button = f'<button type="submit">{say("install_button", language)}</button>'
    install = f'<form id="install" novalidate>{notice}{button}</form>'
    bundle = (
        f'<form id="bundle" novalidate><h3>{say("bundle_title", language)}</h3><p>{say("bundle_lead", language)}</p>'
        f'<label for="bundle-file">{say("bundle_file", language)}</label>'
        '<input type="file" id="bundle-file" name="file" accept=".bundle">'
        '<progress id="bundle-progress" max="100" value="0" hidden></progress>'
        f'{notice}<button type="submit" class="quiet">{say("bundle_button", language)}</button></form>'
    )
    offer = (
        '<div id="offer" hidden><p><span id="offer-severity" class="severity"></span></p>'
        '<p id="offer-version" class="offered"></p><p id="offer-notes" class="notes"></p>'
        f'<p id="offer-support" class="hint"></p>{install if administrator else ""}</div>'
    )
    return (
        f'<section class="card" id="offers"><h2>{say("offers_title", language)}</h2>'
        f'<p id="offer-none">{say("offer_none", language)}</p><p id="offer-problem" class="hint" hidden></p>{offer}'
        f"{bundle if administrator else ''}</section>"
    )
