"""Request bodies with a limit."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from update_server.errors import BadInput


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The request's body.

    Raises:
        BadInput: it is longer than `max_bytes`; reading stops there.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BadInput(f"The body is longer than {max_bytes} bytes.")
    return bytes(body)


class LimitedBody:
    """An application whose requests have at most `max_bytes` of body; reading on is BadInput.

    For frameworks that read the whole body themselves, and before they ask who is calling.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        left = self._max_bytes

        async def receive_bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise BadInput(f"The body is longer than {self._max_bytes} bytes.")
            return message

        await self._app(scope, receive_bounded, send)
