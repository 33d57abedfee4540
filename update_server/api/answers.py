"""Errors as JSON answers."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from update_server.errors import ServerError, TooManyAttempts, Unauthenticated


def error_answer(_request: Request, error: Exception) -> Response:
    """A ServerError as JSON `{"code", "what", "remedy"}` with its status.

    Raises:
        Exception: `error` is no ServerError (a bug of ours).
    """
    if not isinstance(error, ServerError):
        raise error
    headers = {"WWW-Authenticate": 'Basic realm="camward"'} if isinstance(error, Unauthenticated) else {}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_s)
    content = {"code": error.code, "what": error.what, "remedy": error.remedy}
    return JSONResponse(content, status_code=error.status, headers=headers)
