"""Is this system doing its job? Every service must answer, twice, before the deadline."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.formats.errors import CamwardError

    Judged = Callable[[bool, str], None]

ROUNDS = 2  # a service that answers once and crashes is not healthy
ROUND_S = 4.0  # between rounds: long enough for a crash to show, short beside the deadline
_TIMER = "health"


class Health:
    """Asks the camera's services until all have answered in every round, or time is up.

    The server need not be reachable: a line that is down is no fault of the new system.
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._number = 0
        self._deadline = 0.0
        self._round = 0
        self._judged: "Judged | None" = None
        self._open: "list[str]" = []
        self.verdict = "unknown"

    def watch(self, deadline_s: float, judged: "Judged") -> None:
        """Begin; `judged(healthy, detail)` is called once."""
        self._number += 1
        self._deadline = self._desk.now + deadline_s
        self._round = 0
        self._judged = judged
        self._ask()

    def _ask(self) -> None:
        services = self._desk.config.services
        self._open = [service.name for service in services]
        if not services:
            self._end_round()
        for service in services:
            self._ask_one(service.name, service.as_dict(), self._number)

    def _ask_one(self, name: str, service: "dict[str, object]", number: int) -> None:
        def answered(value: "object", error: "CamwardError | None") -> None:
            if number != self._number or name not in self._open:
                return
            if error is None and value is True:
                self._open.remove(name)
                if not self._open:
                    self._end_round()
            elif self._desk.now >= self._deadline:
                self._judge(False, "no answer from " + ", ".join(sorted(self._open)))
            else:
                again = self._desk.now + 1.0
                self._desk.at(_TIMER + " " + name, again, lambda: self._ask_one(name, service, number))

        self._desk.call("services", "answers", (service,), answered)

    def _end_round(self) -> None:
        self._round += 1
        if self._round >= ROUNDS:
            self._judge(True, "")
        else:
            self._desk.at(_TIMER, self._desk.now + ROUND_S, self._ask)

    def _judge(self, healthy: bool, detail: str) -> None:
        self._number += 1
        self.verdict = "healthy" if healthy else "unhealthy"
        judged, self._judged = self._judged, None
        if judged is not None:
            judged(healthy, detail)
