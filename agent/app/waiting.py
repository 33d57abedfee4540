"""The phase `waiting`: the new system is written and verified, and its restart has yet to come.

While it waits, the repositories are looked at as often as ever: a newer order replaces what waits, a withdrawal cancels
it, a refusal ends it. A server that does not answer changes nothing, or cutting the line would stop an update. Before a
restart that comes long after the last look, there is one more.

These are actions of the table of agent.core.update; agent.app.updating runs them and keeps the state.
"""

from agent.app.update_state import saved, sealed
from agent.core import schedule, update
from agent.formats import delivery
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from agent.app.checking import Checking
    from agent.app.desk import Desk
    from agent.app.scheduling import Scheduling
    from agent.app.update_state import State
    from agent.core.schedule import Decision
    from agent.core.slots import Layout
    from agent.core.trust import Release
    from agent.formats.errors import CamwardError

    Refusal = tuple[str, str]

    class Shell(Protocol):
        """What a wait needs of agent.app.updating: the saved state, and the ways to go on."""

        state: State

        def go(self, event: str, error: "CamwardError | None" = None, **changes: Any) -> None:
            """Follow the edge of the table: save, then run the actions."""

        def save(self, **changes: Any) -> None:
            """Save changes of the state that lead to no other phase."""

        def report(self, event: str, code: str = "", detail: str = "", until_at: "int | None" = None) -> bool:
            """Queue a signed report."""

        def checked(self, release: "Release | None", error: "CamwardError | None") -> None:
            """Take what a look into the repositories has found."""

        def check_now(self) -> None:
            """Look into the repositories as soon as may be."""

        def director(self) -> "tuple[bytes | None, float]":
            """The director's root, None without an operator, and the seconds between two looks."""

        def at_rest(self) -> None:
            """Let go of what the writing of the slot has needed."""


HOUR_S = 3600
MAX_POSTPONE_HOURS = schedule.MAX_POSTPONE_DAYS * 24
LEAST_S = 1.0  # between two decisions
RETRY_S = 60.0  # when the storage has failed in between
_TIMER = "waiting"
_BEFORE_RESTART = (update.READING_TREE, update.INSTALLING, update.READING_BACK, update.WAITING)


class Waiting:
    """Waits on behalf of `shell`, and takes what the people at the camera say about it."""

    def __init__(
        self, desk: "Desk", checking: "Checking", scheduling: "Scheduling", layout: "Layout", shell: "Shell"
    ) -> None:
        self._desk = desk
        self._layout = layout
        self._checking = checking
        self._scheduling = scheduling
        self._shell = shell
        self._looked_at: "float | None" = None  # monotonic; None in a run that has not looked yet
        self._looking = False
        self._wish = False
        self._decision: "Decision | None" = None  # what is waited for now

    def actions(self) -> "dict[str, Callable[[], None]]":
        """The actions of the table that belong to waiting, by name."""
        return {
            "wait": self._wait,
            "wait_to_fetch": self._tell,
            "report_cancelled": self._report_cancelled,
        }

    # Called by agent.app.updating

    def looked(self, release: "Release | None", error: "CamwardError | None") -> None:
        """A look has ended, whoever began it; `release` is what it ordered."""
        if error is None:
            self._looked_at = self._desk.now
            self._decision = None
        if error is None and release is not None:
            self._scheduling.started(release.version, self._wish)
        self._wish = False

    def stop_looking(self) -> None:
        """The look that is under way was abandoned."""
        self._looking = False

    def wish(self) -> None:
        """Somebody at the camera wants what the next look finds, and wants it at once."""
        self._wish = True

    def may_fetch(self, release: "Release", ordered: bool) -> bool:
        """Whether the download may begin. If not, it is looked at again when it may: `rest_s`.

        Where the recovery system has to fetch, this is the restart that waits, for with it the camera stops watching.
        """
        booted = self._desk.ports.boot.booted_slot()
        leaves = self._layout.target(booted) == booted
        if self._blind() or not (leaves or self._scheduling.policy.download == schedule.WINDOW):
            self._decision = None
            return True
        decision = self._scheduling.decide(release.severity, ordered)
        self._decision = None if decision.code == schedule.GO else decision
        return self._decision is None

    def rest_s(self, delay_s: float) -> float:
        """How long to rest before the next look: not past the moment at which a download may begin."""
        decision = self._decision
        return delay_s if decision is None else min(delay_s, max(LEAST_S, decision.look_s))

    def look_soon(self) -> None:
        """The order may have changed."""
        self._looked_at = None
        self._desk.soon(_TIMER, self._again)

    def status(self) -> "dict[str, Any]":
        """What people see of it; empty when nothing is under way that could wait."""
        release, said = self._shell.state.release, self._scheduling.said
        if release is None or not self._pending():
            return {}
        found: "dict[str, Any]" = {"severity": release["severity"]}
        if self._decision is not None:
            found["waits"] = self._decision.code
            if self._decision.until_at:
                found["until_at"] = self._decision.until_at
                found["until"] = self._scheduling.local(self._decision.until_at)
        if not self._obstacle():
            found["postpone_limit"] = self._scheduling.local(self._scheduling.latest(release["severity"]))
            if said.postponed_until_at:
                found["postponed"] = self._scheduling.local(said.postponed_until_at)
        return found

    def settings(self) -> "dict[str, str]":
        """The windows and the time zone that count, as people write them."""
        policy = self._scheduling.policy
        return {"windows": policy.text, "time_zone": policy.time_zone}

    # What people say at the camera

    def postpone(self, hours: int) -> "tuple[Refusal | None, str]":
        """Have the restart wait; cut to the limit. Returns why not, or until when, in the camera's local time."""
        refusal = self._obstacle()
        if refusal:
            return ("bad_request", refusal), ""
        state, scheduling = self._shell.state, self._scheduling
        severity = state.release["severity"] if state.release is not None else ""
        until_at = min(scheduling.now_s() + hours * HOUR_S, scheduling.latest(severity)) if hours else 0
        try:
            scheduling.postpone(until_at)
        except Unavailable as error:
            return ("busy", str(error)), ""
        self._reconsider()
        return None, scheduling.local(until_at) if until_at else ""

    def update_now(self) -> "Refusal | None":
        """Install what waits without waiting any longer; without any, look for something and install that."""
        state = self._shell.state
        if state.phase in _BEFORE_RESTART:
            try:
                self._scheduling.hurry()
            except Unavailable as error:
                return "busy", str(error)
            self._reconsider()
            return None
        if state.phase not in (update.IDLE, update.CHECKING):
            return "busy", "the camera is about to restart"
        if self._shell.director()[0] is None:
            return "bad_request", "this camera is not enrolled: there is no server to ask"
        self.wish()
        self._shell.check_now()
        return None

    def settle(self, given: "dict[str, Any]") -> "Refusal | None":
        """Take the owner's settings; returns why not."""
        try:
            self._scheduling.set(given)
        except Rejected as error:
            return "bad_request", error.detail
        except Unavailable as error:
            return "busy", str(error)
        self._reconsider()
        return None

    def _obstacle(self) -> str:
        """Why what is under way cannot be postponed; empty if it can."""
        state = self._shell.state
        if self._blind():
            return "the camera does not work before a release is installed"
        if state.release is None or not self._pending():
            return "there is no release whose installation could wait"
        if state.release["severity"] == "critical":
            return "a critical release cannot be postponed"
        if self._ordered():
            return "the operator has ordered that this release does not wait"
        if self._scheduling.latest(state.release["severity"]) <= self._scheduling.now_s():
            return "this release cannot be postponed any longer"
        return ""

    def _blind(self) -> bool:
        """Whether the recovery system runs: every minute of waiting is one in which nobody sees anything."""
        return self._layout.in_recovery(self._desk.ports.boot.booted_slot())

    def _pending(self) -> bool:
        """Whether a release is on its way to a restart that has not been prepared yet."""
        state = self._shell.state
        return state.phase in _BEFORE_RESTART or (state.phase == update.IDLE and self._decision is not None)

    def _reconsider(self) -> None:
        if self._shell.state.phase == update.WAITING:
            self._desk.soon(_TIMER, self._again)
        elif self._shell.state.phase == update.IDLE:
            self._shell.check_now()

    # The phase

    def _wait(self) -> None:
        self._shell.at_rest()
        # In the next step: at the start of the agent, whether there is an operator is not known yet.
        self._desk.soon(_TIMER, self._again)

    def _again(self) -> None:
        if self._shell.state.phase != update.WAITING or self._looking:
            return
        root, interval_s = self._shell.director()
        now, stale = self._desk.now, self._looked_at is None or self._desk.now >= self._looked_at + interval_s
        if stale:
            self._looked_at = now
        if stale and root is not None and not self._desk.source:  # what was ordered here the director does not withdraw
            self._looking = True
            self._checking.start(root, self._found)
        else:
            self._decide()

    def _found(self, release: "Release | None", error: "CamwardError | None") -> None:
        """A look during the wait has ended."""
        self._looking = False
        state = self._shell.state
        if state.phase != update.WAITING:
            return
        same = release is not None and error is None and saved(release) == state.release
        if not same and not isinstance(error, Unavailable):
            self._decision = None
            self._shell.checked(release, error)
            return
        way = delivery.as_json(self._checking.delivery)
        try:
            if release is not None and same and way != state.delivery:
                self._shell.save(delivery=way, sealed=sealed(state, release.sha256, self._checking.delivery))
        except Unavailable:
            pass  # the next look brings it again
        self._decide()

    def _decide(self) -> None:
        release = self._shell.state.release
        if release is None:
            self._shell.go("refused", FormatError("the saved update names no release"))
            return
        decision = self._scheduling.decide(str(release["severity"]), self._ordered())
        self._decision = None if decision.code == schedule.GO or self._blind() else decision
        if self._decision is None:
            self._shell.go("complete")
            return
        self._tell()
        _, interval_s = self._shell.director()
        # None: while the last look was under way, somebody has said that the order may have changed.
        delay_s = 0.0 if self._looked_at is None else min(interval_s, decision.look_s)
        self._desk.at(_TIMER, self._desk.now + max(LEAST_S, delay_s), self._again)

    def _ordered(self) -> bool:
        """Whether the operator has signed that the release shall not wait."""
        way = self._shell.state.delivery
        return way is not None and delivery.parse(way).install_now

    def _tell(self) -> None:
        """Report the reason for waiting, once for each."""
        decision = self._decision
        if decision is not None and self._scheduling.is_news(decision.code + " " + str(decision.until_at)):
            self._shell.report("waiting", decision.code, until_at=decision.until_at or None)

    def _report_cancelled(self) -> None:
        """What waited is not wanted any more. (In `checking`, most often nothing has waited.)"""
        if self._shell.state.release is None:
            return
        if self._scheduling.said.told:
            self._shell.report("cancelled", "withdrawn")
        self._shell.save(release=None, delivery=None)
