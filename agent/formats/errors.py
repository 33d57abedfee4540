"""The three meanings an error can have (docs/architecture.md, Errors), two of which have classes.

`Rejected`: the input is wrong and will be wrong again. `Unavailable`: try later. Everything else is our own bug: it
is not caught, the process ends and the supervisor starts it again.

Every subclass has one stable `code`, used in telemetry, evidence and documentation.
"""

MAX_DETAIL_CHARS = 2000  # details quote what a server has sent, and are kept, shown and reported

MAX_RETRY_AFTER_S = 86400.0  # whoever asks for more patience than a day is not heard


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


class Busy(Unavailable):
    """A server that says when to come again (RFC 9110, 10.2.3); `retry_after_s` is what it said, bounded."""

    code = "busy"

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = min(max(0.0, retry_after_s), MAX_RETRY_AFTER_S)


class CutOff(Unavailable):
    """An answer that ended before anything of it could be used; `received_bytes` came, and were thrown away."""

    def __init__(self, detail: str, received_bytes: int) -> None:
        super().__init__(detail)
        self.received_bytes = received_bytes


class FormatError(Rejected):
    """Bytes that are not what their format says, or beyond its limits."""

    code = "format"
