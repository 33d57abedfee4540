"""The pages of back ends: the list, adding one, and one with what can be done to it. There is no script on them."""

import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from update_server.access.people import Visitor
from update_server.fleet import back_ends, consumers
from update_server.fleet.back_ends import BackEnds
from update_server.services import Services
from update_server.web import login
from update_server.web.login import Form

WARN_S = 60 * 86_400  # before a certificate ends, which nobody but its holder renews
Page = Callable[..., Response]
Allowed = Callable[[Visitor, Form], None]


class ConsumerPages:
    """The handlers. `page` renders a template, `allowed` refuses a form that is not this person's to send."""

    def __init__(self, services: Services, page: Page, allowed: Allowed) -> None:
        self._services = services
        self._back_ends = BackEnds(services.database, services.authority, services.settings)
        self._page = page
        self._allowed = allowed

    def routes(self) -> list[Route]:
        """All paths."""
        return [
            Route("/consumers", self.everyone),
            Route("/consumers", self.add, methods=["POST"]),
            Route("/consumers/{name}", self.one),
            Route("/consumers/{name}/renew", self.renew, methods=["POST"]),
            Route("/consumers/{name}/remove", self.review),
            Route("/consumers/{name}/remove", self.remove, methods=["POST"]),
        ]

    def everyone(self, request: Request) -> Response:
        """Those that are let in, and a form for another one."""
        who = login.visitor(self._services, request)
        with self._services.database.read() as session:
            rows = [back_ends.about(row, self._services.settings) for row in consumers.everyone(session)]
        return self._page(request, who, "consumers.html", rows=rows, warn_s=WARN_S)

    def one(self, request: Request) -> Response:
        """One of them."""
        return self._about_one(request, "consumer.html")

    def review(self, request: Request) -> Response:
        """Ask whether it is meant to be removed."""
        return self._about_one(request, "consumer_review.html")

    async def add(self, request: Request) -> Response:
        """Let one in, and show what it is given: this once."""
        who, form = await self._sent(request)
        handed = await run_in_threadpool(self._back_ends.add, form["name"], form["program"], who.name, int(time.time()))
        return self._page(request, who, "consumer_made.html", made=handed)

    async def renew(self, request: Request) -> Response:
        """Make another key and certificate, and show them: this once."""
        who, _ = await self._sent(request)
        name = request.path_params["name"]
        handed = await run_in_threadpool(self._back_ends.renew, name, who.name, int(time.time()))
        return self._page(request, who, "consumer_made.html", made=handed)

    async def remove(self, request: Request) -> Response:
        """Shut one out."""
        who, _ = await self._sent(request)
        name = request.path_params["name"]
        await run_in_threadpool(back_ends.remove, self._services.database, name, who.name, int(time.time()))
        return RedirectResponse("/consumers", 303)

    def _about_one(self, request: Request, template: str) -> Response:
        who = login.visitor(self._services, request)
        with self._services.database.read() as session:
            row = back_ends.about(consumers.find(session, request.path_params["name"]), self._services.settings)
        return self._page(request, who, template, row=row)

    async def _sent(self, request: Request) -> tuple[Visitor, Form]:
        who = await run_in_threadpool(login.visitor, self._services, request)
        form = await login.read_form(request)
        self._allowed(who, form)
        return who, form
