"""WS-UsernameToken on the camera's page: an administrator switches it on for a user, and sees the secret once.

The agent decides, draws the secret and proves it; nothing of it is kept here. static/ws_tokens.js is the behaviour.
"""

from collections.abc import Callable
from html import escape

from firmware_sim.camera.http_server import Request, Response
from firmware_sim.camera.login import Reply
from firmware_sim.camera.web.members import json_fields
from firmware_sim.camera.web.replies import json_response, refusal
from firmware_sim.camera.web.text import Language, say

SCRIPT_TEXTS = ("ws_shown_once", "ws_is_off", "ws_users", "ws_nobody", "error_clock")
"""Texts that ws_tokens.js shows; everything else is in the page itself."""


class WsTokens:
    """The answers; `ask(request, op, **fields)` asks the agent in the name of the request's session."""

    def __init__(self, ask: Callable[..., Reply | Response]) -> None:
        self._ask = ask

    def listed(self, request: Request) -> Response:
        """Whether this camera takes it at all, and who has it on.

        Raises:
            LoginUnavailable: the agent does not answer.
        """
        reply = self._ask(request, "users")
        if isinstance(reply, Response):
            return reply
        users = [str(one.get("name", "")) for one in reply.objects("users") if one.get("token") is True]
        return json_response({"ok": True, "allowed": reply.flag("ws_token"), "users": users})

    def on(self, request: Request) -> Response:
        """Switch it on; the secret is in this answer, and in no other.

        Raises:
            LoginUnavailable: the agent does not answer.
        """
        fields = json_fields(request, "user", "password")
        if fields is None:
            return refusal("bad_request")
        reply = self._ask(request, "token_on", wrong="denied", **fields)
        return reply if isinstance(reply, Response) else json_response({"ok": True, "token": reply.text("token")})

    def off(self, request: Request) -> Response:
        """Switch it off.

        Raises:
            LoginUnavailable: the agent does not answer.
        """
        fields = json_fields(request, "user")
        if fields is None:
            return refusal("bad_request")
        reply = self._ask(request, "token_off", **fields)
        return reply if isinstance(reply, Response) else json_response({"ok": True})


def form(language: Language, user: str, entry_user: str, entry_password: str) -> str:
    """The form of an administrator, hidden until the camera has said that it takes WS-UsernameToken.

    Args:
        language: of the page.
        user: who is signed in, proposed as the user to switch it on for.
        entry_user: attributes of a field for a user name.
        entry_password: attributes of a field for a present password.

    Raises:
        KeyError: a text is missing: a bug of ours.
    """
    return (
        f'<form id="ws" class="card" hidden novalidate><h2>{say("ws_title", language)}</h2>'
        f'<p>{say("ws_lead", language)}</p><p id="ws-users" role="status"></p>'
        f'<label for="ws-user">{say("user", language)}</label>'
        f'<input id="ws-user" name="user" required value="{escape(user)}" {entry_user}>'
        f'<label for="ws-password">{say("password_confirm", language)}</label>'
        f'<input id="ws-password" name="password" required {entry_password}>'
        '<p class="notice" data-notice role="alert" hidden></p><p id="ws-token" class="mono" hidden></p>'
        f'<button type="submit">{say("ws_on_button", language)}</button> '
        f'<button type="button" id="ws-off" class="quiet">{say("ws_off_button", language)}</button></form>'
    )
