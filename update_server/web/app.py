"""The people listener: dashboard at `/`, API at `/api/v1`, and the headers that every answer carries."""

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from update_server.body import LimitedBody
from update_server.services import Services
from update_server.web.pages import Pages

MAX_API_BODY_BYTES = 64 * 1024  # ours are smaller than 1 KiB
# No script at all, no style or picture from elsewhere, in no frame; forms go to us alone.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # no-referrer would also blank the Origin of our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """Adds HEADERS to every answer, and `no-store` where nothing else is said."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def people_app(services: Services, api: ASGIApp) -> ASGIApp:
    """The ASGI application of the people port; `api` is the JSON API."""
    pages = Pages(services)
    app = Starlette(
        routes=[Mount("/api/v1", LimitedBody(api, MAX_API_BODY_BYTES)), *pages.routes()],
        exception_handlers=pages.exception_handlers(),
    )
    return SecurityHeaders(app)
