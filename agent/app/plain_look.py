"""One verification over one port, from its first question to its outcome: a look without an operator's server.

There is no receipt to be had where it looks, so nothing is asked for twice, and the clock stays as it is
(docs/adr/0015). `agent.app.checking` is for the operator's server.
"""

from agent.app.trust_store import forget_root, keep, reset_floor
from agent.core.trust import DamagedRoot
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.core.trust_conversation import Verification
    from agent.core.trust_repository import Request
    from agent.formats.errors import CamwardError
    from agent.formats.release import Release

    Outcome = Callable[[Release | None, CamwardError | None], None]


class PlainLook:
    """Begins when it is made; `then` gets the release, or None, or the error that ended it."""

    def __init__(self, desk: "Desk", time: "TrustedTime", port: str, check: "Verification", then: "Outcome") -> None:
        self._desk = desk
        self._time = time
        self._port = port
        self._check = check
        self._then = then
        self._reset_to: "int | None" = None
        self._stopped = False
        self._next()

    def stop(self) -> None:
        """Nobody hears of it any more, and it stores nothing more."""
        self._stopped = True

    def _next(self) -> None:
        request = self._check.wants()
        if request is None:
            self._then(self._check.outcome, None)
            return
        self._desk.call(self._port, "get", (self._path(request), request.max_bytes), self._arrived)

    def _path(self, request: "Request") -> str:
        if request.repository == "image":
            return "/tuf/image/" + request.path
        return "/tuf/director/" + self._desk.device_id + "/" + request.path

    def _arrived(self, body: "bytes | None", error: "CamwardError | None") -> None:
        """Feed one file; what was accepted is stored before anything else happens, even when the check has failed."""
        if self._stopped:
            return
        if error is None:
            try:
                if body is None:
                    self._check.absent()
                else:
                    self._check.feed(body)
            except DamagedRoot as caught:
                forget_root(self._desk.ports.store, "image")
                error = caught
            except (Rejected, Unavailable) as caught:
                error = caught
        try:
            self._reset_to = reset_floor(self._time, self._check, self._reset_to)
            keep(self._desk, self._time, self._check)
        except Unavailable as caught:
            error = error or caught
        if error is not None:
            self._then(None, error)
        else:
            self._next()
