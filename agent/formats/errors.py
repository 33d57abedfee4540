"""The three meanings an error can have (docs/architecture.md, Errors), two of which have classes.

`Rejected`: the input is wrong and will be wrong again. `Unavailable`: try later. Everything else is our own bug: it
is not caught, the process ends and the supervisor starts it again.

Every subclass has one stable `code`, used in telemetry, evidence and documentation.
"""

MAX_DETAIL_CHARS = 2000  # details quote what a server has sent, and are kept, shown and reported


class CamwardError(Exception):
    """Base of the errors that Camward raises on purpose."""

    code = "error"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail[:MAX_DETAIL_CHARS]

    def __str__(self) -> str:
        return self.code + ": " + self.detail if self.detail else self.code


class Rejected(CamwardError):
    """The input is wrong and will be wrong again; retrying the same bytes is pointless."""

    code = "rejected"


class Unavailable(CamwardError):
    """Not now: network, storage, or a clock that is not trusted yet."""

    code = "unavailable"


class FormatError(Rejected):
    """Bytes that are not what their format says, or beyond its limits."""

    code = "format"
