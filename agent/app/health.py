"""Is this system doing its job? Every declared check must pass, twice, before its deadline (agent.formats.health)."""

from agent.formats import health

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.accounts import Accounts
    from agent.app.desk import Desk
    from agent.app.proving import Proving
    from agent.app.tickets import Tickets
    from agent.formats.errors import CamwardError
    from agent.formats.health import Check

    Judged = Callable[[bool, str], None]
    Passed = Callable[[bool], None]

ROUNDS = 2  # a service that answers once and crashes is not healthy
ROUND_S = 4.0  # between rounds: long enough for a crash to show, short beside the deadline
AGAIN_S = 1.0  # before what failed is tried again
CALL_S = 120.0  # what has not ended after so long never will: more than the adapter allows itself
_TIMER = "health"
_NEVER = "health_never"
_SAID = {
    health.ANSWERS: "no answer from ",
    health.PLAYS: "no picture from ",
    health.SERVER: "the server is not reached",
    health.WATCHDOG: "the watchdog is not fed",
}


class Health:
    """Makes the checks one after the other until all have passed in every round, or one is out of time."""

    def __init__(self, desk: "Desk", accounts: "Accounts", proving: "Proving", tickets: "Tickets") -> None:
        self._desk = desk
        self._accounts = accounts
        self._proving = proving
        self._tickets = tickets
        self._number = 0
        self._started = 0.0
        self._round = 0
        self._server_expected = False
        self._judged: "Judged | None" = None
        self._open: "list[Check]" = []
        self._failing: "list[Check]" = []
        self._make: "dict[str, Callable[[Check, Passed], None]]" = {
            health.ANSWERS: self._answers,
            health.PLAYS: self._plays,
            health.SERVER: lambda _, passed: passed(not self._server_expected or self.server_reached()),
            health.WATCHDOG: lambda _, passed: passed(self._desk.ports.watchdog.alive()),
        }
        self.server_reached: "Callable[[], bool]" = lambda: False
        self.verdict = "unknown"

    def watch(self, judged: "Judged", server_expected: bool) -> None:
        """Begin; `judged(healthy, detail)` is called once.

        `server_expected`: whether it counts when the server is not reached. A line that is down, and was down before
        the update as well, is no fault of the new system.
        """
        self._number += 1
        self._desk.cancel(_NEVER)
        self._started = self._desk.now
        self._round = 0
        self._server_expected = server_expected
        self._judged = judged
        self._begin_round()

    def _begin_round(self) -> None:
        self._open = list(self._desk.config.health.checks)
        self._failing = []
        self._next()

    def _next(self) -> None:
        """Make the first of the checks that are open and have not failed in this pass."""
        waiting = [check for check in self._open if check not in self._failing]
        if waiting:
            check = waiting[0]
            ends_at = max(self._started + check.deadline_s, self._desk.now + CALL_S)
            self._desk.at(_NEVER, ends_at, lambda: self._never_ended(check))
            self._make[check.check](check, self._outcome(check))
        elif not self._open:
            self._end_round()
        else:
            late = [check for check in self._failing if self._desk.now >= self._started + check.deadline_s]
            if late:
                self._judge(False, _said(late))
            else:
                self._failing = []
                self._desk.at(_TIMER, self._desk.now + AGAIN_S, self._next)

    def _outcome(self, check: "Check") -> "Passed":
        number = self._number

        def passed(good: bool) -> None:
            if number != self._number:
                return
            self._desk.cancel(_NEVER)
            if good:
                self._open.remove(check)
            else:
                self._failing.append(check)
            self._desk.soon(_TIMER, self._next)

        return passed

    def _never_ended(self, check: "Check") -> None:
        """Otherwise the watchdog would be fed, and this boot neither kept nor given up, for as long as it takes."""
        self._tickets.withdraw()
        self._judge(False, _said([check]))

    def _end_round(self) -> None:
        self._round += 1
        if self._round >= ROUNDS:
            self._judge(True, "")
        else:
            self._desk.at(_TIMER, self._desk.now + ROUND_S, self._begin_round)

    def _judge(self, healthy: bool, detail: str) -> None:
        self._number += 1
        self.verdict = "healthy" if healthy else "unhealthy"
        judged, self._judged = self._judged, None
        if judged is not None:
            judged(healthy, detail)

    # The checks

    def _answers(self, check: "Check", passed: "Passed") -> None:
        self._desk.call("services", "answers", (self._service(check),), _good(passed))

    def _plays(self, check: "Check", passed: "Passed") -> None:
        """With a ticket of the agent's own. Where nobody is shown anything, it has to answer."""
        if not self._accounts.lets_in():
            self._answers(check, passed)
            return
        ticket = self._tickets.issue(check.service, self._proving.address())

        def played(good: bool) -> None:
            self._tickets.withdraw()
            passed(good)

        arguments = (self._service(check), ticket.source, ticket.user, ticket.password)
        self._desk.call("services", "plays", arguments, _good(played))

    def _service(self, check: "Check") -> "dict[str, object]":
        found = [service for service in self._desk.config.services if service.name == check.service]
        return found[0].as_dict()


def _good(passed: "Passed") -> "Callable[[object, CamwardError | None], None]":
    return lambda value, error: passed(error is None and value is True)


def _said(checks: "list[Check]") -> str:
    """What failed, in words: the services of one kind of check together."""
    parts = []
    for kind in health.CHECKS:
        names = sorted(check.service for check in checks if check.check == kind)
        if names:
            parts.append(_SAID[kind] + ", ".join(names))
    return "; ".join(parts)
