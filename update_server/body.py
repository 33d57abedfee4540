"""Request bodies with a limit."""

from starlette.requests import Request

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
