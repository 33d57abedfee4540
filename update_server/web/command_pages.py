"""The page of commands: what was sent to cameras and what has become of it, and sending one, in two steps.

The first step shows which cameras are meant and what the command does there; only the second sends it. There is no
script on these pages, so the question is a page.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from agent.formats.command import COMMANDS, GRAVE, SETTINGS
from agent.formats.quarantine import MAX_REASON_CHARS
from update_server.access.people import Visitor
from update_server.db.models import Device
from update_server.errors import BadInput, Conflict
from update_server.fleet import command_form, commands, devices, passwords
from update_server.fleet.commands import VALID_S
from update_server.services import Services
from update_server.web import login
from update_server.web.login import Form

MAX_ROWS = 200
MAX_NAMED = 12  # cameras that the question names; of more it says how many
ALONE = tuple(one for one in COMMANDS if one not in GRAVE)
Page = Callable[..., Response]
Allowed = Callable[[Visitor, Form], None]


class Said(NamedTuple):
    """What a form says: the command, why, the proxy as it was written, and all that goes with the command."""

    name: str
    reason: str
    proxy: str
    arguments: dict[str, Any]


class CommandPages:
    """The handlers. `page` renders a template, `allowed` refuses a form that is not this person's to send."""

    def __init__(self, services: Services, page: Page, allowed: Allowed) -> None:
        self._services = services
        self._page = page
        self._allowed = allowed

    def routes(self) -> list[Route]:
        """All paths."""
        return [
            Route("/commands", self.commands),
            Route("/commands/review", self.review, methods=["POST"]),
            Route("/commands", self.send, methods=["POST"]),
        ]

    def commands(self, request: Request) -> Response:
        """The newest commands, of all cameras or of one."""
        who, wanted = login.visitor(self._services, request), request.query_params.get("device", "")[:64]
        with self._services.database.read() as session:
            device = devices.find(session, wanted) if wanted else None
            lines = commands.lines(session, device)
        counts = Counter(one.state for one in lines)
        return self._page(
            request, who, "commands.html", rows=lines[:MAX_ROWS], total=len(lines), device=device, names=ALONE,
            counts={state: counts[state] for state in commands.STATES}, max_reason=MAX_REASON_CHARS,
            max_proxy=command_form.MAX_PROXY_CHARS,
        )  # fmt: skip

    async def review(self, request: Request) -> Response:
        """Ask whether that is meant: which cameras, and what it does to them."""
        who = await run_in_threadpool(login.visitor, self._services, request)
        form = await login.read_form(request)
        self._allowed(who, form)
        said = _said(form)

        def work() -> tuple[list[str], int]:
            with self._services.database.read() as session:
                found = _meant(session, form)
                able = sum(self._services.commands.known(one) for one in found)
                return [one.serial for one in found], able

        serials, able = await run_in_threadpool(work)
        return self._page(
            request, who, "command_review.html", name=said.name, reason=said.reason, proxy=said.proxy,
            serials=serials[:MAX_NAMED], count=len(serials), able=able,
            wanted={key: form[key] for key in ("device", "group", "site")},
        )  # fmt: skip

    async def send(self, request: Request) -> Response:
        """Send it."""
        who = await run_in_threadpool(login.visitor, self._services, request)
        form = await login.read_form(request)
        self._allowed(who, form)
        await run_in_threadpool(self._send, form, who.name)
        return RedirectResponse("/commands" + (f"?device={form['device']}" if form["device"].isalnum() else ""), 303)

    def _send(self, form: Form, who: str) -> None:
        said = _said(form)
        now, failed = int(time.time()), []
        with self._services.database.write() as session:
            found = _meant(session, form)
            if form["count"] != str(len(found)):
                raise Conflict("These are other cameras than you were shown.", "Look at them once more.")
            for device in found:
                try:
                    row = self._services.commands.send(session, device, said.name, VALID_S, who, now, said.arguments)
                except Conflict as error:
                    failed.append(str(error))
                    continue
                commands.audit(session, who, row, now, said.reason)
        if failed:
            raise Conflict("; ".join(failed)[:500], f"The other {len(found) - len(failed)} get the command.")


def _said(form: Form) -> Said:
    """What a form says.

    Raises:
        BadInput: it is no command of this page, the reason cannot be shown at a camera, or the proxy is none or goes
            with another command.
    """
    name, reason, proxy = form["command"], form["reason"].strip(), form["proxy"].strip()
    if name not in ALONE:
        raise BadInput(f"{name!r} is no command that this page sends.")
    if proxy and name != SETTINGS:
        raise BadInput(f"{name!r} takes no proxy.", "Leave the proxy out, or choose the command for settings.")
    return Said(name, reason, proxy, command_form.with_reason(name, reason) | command_form.proxy_said(proxy))


def _meant(session: Session, form: Form) -> list[Device]:
    which = [form["device"]] if form["device"] else None
    return passwords.meant(session, which, form["group"], form["site"])
