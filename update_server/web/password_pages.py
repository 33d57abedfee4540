"""The dashboard's page of passwords: who still has an old one, and the form that requires a change."""

import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from agent.formats.required_change import REASONS
from update_server.access.people import Visitor
from update_server.errors import BadInput, Conflict
from update_server.fleet import passwords
from update_server.services import Services
from update_server.web import login
from update_server.web.login import Form

DAY_S = 86_400
MAX_ROWS = 500
WITHDRAW = "withdraw"
Page = Callable[..., Response]
Allowed = Callable[[Visitor, Form], None]


class PasswordPages:
    """The handlers. `page` renders a template, `allowed` refuses a form that is not this person's to send."""

    def __init__(self, services: Services, page: Page, allowed: Allowed) -> None:
        self._services = services
        self._page = page
        self._allowed = allowed

    def routes(self) -> list[Route]:
        """All paths."""
        return [
            Route("/passwords", self.passwords),
            Route("/passwords.csv", self.table),
            Route("/passwords", self.require, methods=["POST"]),
        ]

    def passwords(self, request: Request) -> Response:
        """The whole fleet, those first that need somebody."""
        who = login.visitor(self._services, request)
        with self._services.database.read() as session:
            lines = passwords.standing(session)
        return self._page(
            request, who, "passwords.html", rows=lines[:MAX_ROWS], total=len(lines), counts=passwords.counts(lines),
            reasons=REASONS,
        )  # fmt: skip

    def table(self, request: Request) -> Response:
        """The same, for a spreadsheet."""
        login.visitor(self._services, request)
        with self._services.database.read() as session:
            text = passwords.as_csv(passwords.standing(session))
        headers = {"Content-Disposition": 'attachment; filename="passwords.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    async def require(self, request: Request) -> Response:
        """Take the form: an order for a group or site, or its withdrawal."""
        who = await run_in_threadpool(login.visitor, self._services, request)
        form = await login.read_form(request)
        self._allowed(who, form)
        await run_in_threadpool(self._order, form, who.name)
        return RedirectResponse("/passwords", 303)

    def _order(self, form: Form, who: str) -> None:
        now = int(time.time())
        taking_back = form["verb"] == WITHDRAW
        wanted = None
        if not taking_back:
            wanted = passwords.order(now, form["reason"], 0, _delay(form["restrict"]), _delay(form["claim_only"]))
        with self._services.database.read() as session:
            found = passwords.members(session, form["group"], form["site"])
            ids = [one.id for one in found if not taking_back or passwords.of_device(session, one).since_at is not None]
        failed = self._services.require_changes(ids, lambda _session, _device: wanted, who, now)
        if failed:
            raise Conflict("; ".join(failed)[:500], "The others follow the order.")


def _delay(days: str) -> int | None:
    """Days of the form as seconds; None where it is empty."""
    if not days:
        return None
    if not (days.isascii() and days.isdigit() and len(days) <= len("366")):
        raise BadInput(f"{days!r} is no number of days.", "Write for example 7, or nothing for never.")
    return int(days) * DAY_S
