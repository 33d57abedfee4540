"""The dashboard's pages. They only show and pass on: what things mean is decided by the services."""

import functools
import hmac
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from update_server.access import people
from update_server.access.people import Visitor
from update_server.db.models import Delta, Device, Release
from update_server.errors import BadInput, Forbidden, NotFound, ServerError, TooManyAttempts, Unauthenticated
from update_server.fleet import alarms, devices, history, passwords
from update_server.fleet.telemetry import silent_after_s
from update_server.rollouts import store
from update_server.rollouts.plan import Counts
from update_server.services import Services
from update_server.web import login, shapes
from update_server.web.command_pages import CommandPages
from update_server.web.consumer_pages import ConsumerPages
from update_server.web.password_pages import PasswordPages
from update_server.web.texts import LANGUAGES, Texts, preferred

HERE = Path(__file__).parent
LANGUAGE_COOKIE = "camward-language"
YEAR_S = 365 * 86_400
MAX_ROWS = 200
ASSETS = {"app.css": "text/css", "icon.svg": "image/svg+xml"}
TELEMETRY = (
    "uptime_s", "cpu_percent", "temperature_c", "rss_bytes", "mem_available_bytes", "disk_free_bytes", "outbox_count",
    "outbox_lost", "outbox_written_bytes", "listeners_count", "slot", "phase",
)  # fmt: skip
Handlers = Mapping[Any, Callable[[Request, Exception], Response]]


class Pages:
    """The handlers; one instance per process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip

    def routes(self) -> list[Route]:
        """All paths."""
        return [
            Route("/", self.overview),
            Route("/login", self.login_page),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
            Route("/language/{language}", self.language),
            Route("/devices/{device_id}", self.device),
            Route("/devices/{device_id}/update-now", self.update_now, methods=["POST"]),
            Route("/rollouts", self.rollouts),
            Route("/rollouts/{number:int}", self.rollout),
            Route("/rollouts/{number:int}/{verb}", self.act, methods=["POST"]),
            Route("/releases", self.releases),
            *PasswordPages(self._services, self._page, _require_form).routes(),
            *CommandPages(self._services, self._page, _require_form).routes(),
            *ConsumerPages(self._services, self._page, _require_form).routes(),
            Route("/static/{name}", self.asset),
        ]

    def exception_handlers(self) -> Handlers:
        """How errors are shown."""
        return {ServerError: self._error, HTTPException: self._http_error}

    def overview(self, request: Request) -> Response:
        """The fleet: numbers, versions, unfinished rollouts, cameras."""
        who, wanted = login.visitor(self._services, request), request.query_params.get("q", "")[:64]
        with self._services.database.read() as session:
            fleet = devices.status(session)
            rows = devices.search(session, wanted, MAX_ROWS)
            unfinished = [r for r in store.everything(session) if r.state in (store.RUNNING, store.PAUSED)]
            now = int(time.time())
            counts = {row.id: _total(store.counts(session, row, now)) for row in unfinished}
            plain = history.all_in_the_clear(session, [row.id for row in rows], now)
        return self._page(
            request, who, "overview.html", fleet=fleet, rows=rows, wanted=wanted, unfinished=unfinished, counts=counts,
            plain=plain, versions=shapes.bar([(name, count) for name, count in fleet.versions.items()]),
        )  # fmt: skip

    def device(self, request: Request) -> Response:
        """One camera."""
        who = login.visitor(self._services, request)
        with self._services.database.read() as session:
            row = devices.find(session, request.path_params["device_id"])
            proof = history.evidence(session, row.id)
            findings = history.findings(proof) if proof else []
            verdicts = {v: sum(f.verdict == v for f in findings) for v in ("PASS", "FAIL", "INCONCLUSIVE", "N/A")}
            return self._page(
                request, who, "device.html", row=row, updates=history.updates(session, row.id), proof=proof,
                findings=findings, verdicts=verdicts, refusals=history.refusals(session, row.id), telemetry=TELEMETRY,
                standing=passwords.of_device(session, row), alarms=alarms.history(session, row.id),
                plain=history.in_the_clear(proof, int(time.time())) if proof else None,
            )  # fmt: skip

    async def update_now(self, request: Request) -> Response:
        """Have a camera install what is assigned to it now."""
        who = await run_in_threadpool(login.visitor, self._services, request)
        _require_form(who, await login.read_form(request))
        device_id = request.path_params["device_id"]

        def work() -> None:
            with self._services.database.write() as session:
                device, now = devices.find(session, device_id), int(time.time())
                self._services.update_now(session, device, now)
                devices.audit(session, who.name, "device update-now", devices.assignment(device), now)

        await run_in_threadpool(work)
        return RedirectResponse(f"/devices/{device_id}", 303)

    def rollouts(self, request: Request) -> Response:
        """All rollouts."""
        who = login.visitor(self._services, request)
        with self._services.database.read() as session:
            rows = store.everything(session)
            counts = {row.id: _total(store.counts(session, row, int(time.time()))) for row in rows}
        return self._page(request, who, "rollouts.html", rows=rows, counts=counts)

    def rollout(self, request: Request) -> Response:
        """One rollout, phase by phase."""
        who = login.visitor(self._services, request)
        with self._services.database.read() as session:
            row = store.find(session, request.path_params["number"])
            counts = store.counts(session, row, int(time.time()))
            members = store.members(session, row)[:MAX_ROWS]
        phases = list(zip(row.phases, counts, strict=True))
        return self._page(request, who, "rollout.html", row=row, phases=phases, members=members)

    async def act(self, request: Request) -> Response:
        """Pause, resume or abort a rollout."""
        who = await run_in_threadpool(login.visitor, self._services, request)
        form = await login.read_form(request)
        _require_form(who, form)
        number, verb = request.path_params["number"], request.path_params["verb"]

        def work() -> None:
            with self._services.database.write() as session:
                now = int(time.time())
                self._services.rollouts.act(session, store.find(session, number), verb, who.name, now)
                devices.audit(session, who.name, f"rollout {verb}", str(number), now)

        await run_in_threadpool(work)
        return RedirectResponse(f"/rollouts/{number}", 303)

    def releases(self, request: Request) -> Response:
        """All releases."""
        who = login.visitor(self._services, request)
        with self._services.database.read() as session:
            rows = session.scalars(select(Release).order_by(Release.added_at.desc())).all()
            deltas: dict[tuple[str, str], list[Delta]] = {}
            for delta in self._services.deltas.listed(session):
                deltas.setdefault((delta.model, delta.to_version), []).append(delta)
        return self._page(request, who, "releases.html", rows=rows, deltas=deltas)

    def login_page(self, request: Request) -> Response:
        """The login form."""
        return self._page(request, None, "login.html", problem="")

    async def log_in(self, request: Request) -> Response:
        """Take the login form; wrong attempts get slower (see access.people)."""
        form = await login.read_form(request)
        source = request.client.host if request.client else ""
        t = self._texts(request)
        try:
            secret = await run_in_threadpool(login.log_in, self._services, form, source)
        except Unauthenticated:
            return self._page(request, None, "login.html", 401, problem=t("login_wrong"))
        except TooManyAttempts as error:
            answer = self._page(request, None, "login.html", 429, problem=t("login_wait", error.retry_after_s))
            answer.headers["Retry-After"] = str(error.retry_after_s)
            return answer
        done = RedirectResponse("/", 303)
        done.set_cookie(
            login.COOKIE, secret, max_age=people.SESSION_S, path="/", secure=True, httponly=True, samesite="strict"
        )
        return done

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        who = await run_in_threadpool(login.visitor, self._services, request)
        _require_form(who, await login.read_form(request), write=False)

        def work() -> None:
            with self._services.database.write() as session:
                people.end_session(session, request.cookies[login.COOKIE])

        await run_in_threadpool(work)
        done = RedirectResponse("/login", 303)
        done.delete_cookie(login.COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return done

    def language(self, request: Request) -> Response:
        """Choose a language, and go back to where the link was."""
        wanted, back = request.path_params["language"], request.query_params.get("back", "/")
        if wanted not in LANGUAGES:
            raise NotFound("There is no such language.")
        own = back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable()
        done = RedirectResponse(back if own else "/", 303)
        done.set_cookie(LANGUAGE_COOKIE, wanted, max_age=YEAR_S, path="/", secure=True, httponly=True, samesite="lax")
        return done

    def asset(self, request: Request) -> Response:
        """The style sheet and the icon."""
        name = request.path_params["name"]
        if name not in ASSETS:
            raise NotFound("There is no such file.")
        headers = {"Cache-Control": "public, max-age=3600"}
        return FileResponse(HERE / "static" / name, media_type=ASSETS[name], headers=headers)

    def _page(
        self, request: Request, who: Visitor | None, template: str, status: int = 200, **values: object
    ) -> HTMLResponse:
        now, t = int(time.time()), self._texts(request)

        @functools.cache
        def limit_s(ownership_sha256: str) -> int:
            return silent_after_s(self._services.ownership, ownership_sha256, self._services.settings.devices)

        def device_state(row: Device) -> str:
            if not row.online:
                return "offline"
            late = row.last_seen_at and now - row.last_seen_at > limit_s(row.ownership_sha256)
            return "silent" if late else "online"

        text = self._templates.get_template(template).render(
            t=t, who=who, now=now, path=request.url.path, operator=self._services.settings.operator, shapes=shapes,
            device_state=device_state, ago=lambda at: shapes.ago(at, now, t), **values,
        )  # fmt: skip
        return HTMLResponse(text, status)

    @staticmethod
    def _texts(request: Request) -> Texts:
        header = request.headers.get("accept-language", "")
        return Texts(preferred(request.cookies.get(LANGUAGE_COOKIE), header))

    def _error(self, request: Request, error: Exception) -> Response:
        if isinstance(error, Unauthenticated):
            return RedirectResponse("/login", 303)
        if not isinstance(error, ServerError):
            raise error
        return self._page(request, None, "error.html", error.status, problem=str(error))

    def _http_error(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return self._page(request, None, "error.html", error.status_code, problem=error.detail)


def _total(counts: tuple[Counts, ...]) -> Counts:
    names = ("waiting", "pending", "silent", "committed", "failed")
    return Counts(*(sum(getattr(phase, name) for phase in counts) for name in names))


def _require_form(who: Visitor, form: login.Form, *, write: bool = True) -> None:
    """Make sure the form is from a page that this person was shown, and that they may act.

    Raises:
        Forbidden: it is not, or they may not.
        BadInput: the form's secret is missing.
    """
    if not form["form_secret"]:
        raise BadInput("The form is incomplete.", "Reload the page.")
    if not hmac.compare_digest(form["form_secret"].encode(), who.form_secret.encode()):
        raise Forbidden("The form is out of date.", "Reload the page.")
    if write:
        people.require_write(who)
