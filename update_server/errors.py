"""What the server tells a person when it cannot do what was asked: what happened, and what to do about it.

Every class has a stable `code` (used in JSON answers), an HTTP `status` and a process `exit_code`. Bugs have no
class here: they end the request or the process with a traceback.
"""


class ServerError(Exception):
    """Base of the errors the server raises on purpose; shown as one line, `what` and then `remedy`."""

    code = "error"
    status = 500
    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class Misconfigured(ServerError):
    """The settings or the server's folder are not what they must be."""

    code = "misconfigured"


class NotFound(ServerError):
    """The named thing does not exist."""

    code = "not_found"
    status = 404


class Conflict(ServerError):
    """The request contradicts what is already there."""

    code = "conflict"
    status = 409


class BadInput(ServerError):
    """The input is wrong and will be wrong again."""

    code = "bad_input"
    status = 400


class Unauthenticated(ServerError):
    """Nobody knows who is asking."""

    code = "unauthenticated"
    status = 401


class Forbidden(ServerError):
    """It is known who is asking, and they may not."""

    code = "forbidden"
    status = 403


class TooManyAttempts(ServerError):
    """Wrong credentials were offered too often; `retry_after_s` says when to try again."""

    code = "wait"
    status = 429

    def __init__(self, what: str, retry_after_s: int) -> None:
        super().__init__(what, f"Try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


class PublishRefused(ServerError):
    """The device's own verifier does not accept what was about to be published; nothing was."""

    code = "publish_refused"
    status = 409


class SigningFailed(ServerError):
    """A token or key service does not sign now. Nothing was published; it may work later."""

    code = "signing_failed"
    status = 503
