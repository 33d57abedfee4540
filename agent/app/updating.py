"""Runs the table of agent.core.update: saves the phase, performs the actions, feeds their outcome back as events.

`update/state.json` holds the phase and what the phase is about. It is written before the actions of an edge run.
"""

from agent.app.installing import ImageTooLarge
from agent.app.scheduling import Scheduling
from agent.app.trial import Trial
from agent.app.update_state import FRESH, State, decode, encode, saved, sealed
from agent.app.waiting import Waiting
from agent.app.writing import Writing
from agent.core import backoff, slots, update
from agent.core.clock import ClockDoubt
from agent.core.trust import WrongHardware
from agent.formats import delivery, messages
from agent.formats.errors import Busy, FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.checking import Checking, Outcome
    from agent.app.desk import Desk
    from agent.app.health import Health
    from agent.app.reporting import Reporting
    from agent.app.trusted_time import TrustedTime
    from agent.core.trust import Release
    from agent.formats.errors import CamwardError

STATE = "update/state.json"
MAX_TOLD = 16  # two for each of the last eight releases
RETRY_FIRST_S = 5.0  # a dropped connection is usually back at once
RETRY_LEAST_S = 1.0
RETRY_MAX_S = 600.0
MAX_REPORT_RETRIES = 16  # about two hours; a camera that can keep no report must still look for the next release
LOOK_FIRST_S = 60.0  # a look that did not get through says nothing about a release: it is soon done again
LOOK_LEAST_S = 5.0
BACK_OFF_MAX_S = 6 * 3600.0  # a refused release is looked at again a few times a day: someone may have repaired it
_TIMER = "update"


class Superseded(Rejected):
    """Another order has come first."""

    code = "superseded"


class Updating:
    """The update part of the agent."""

    def __init__(
        self, desk: "Desk", time: "TrustedTime", checking: "Checking", health: "Health", reporting: "Reporting"
    ) -> None:
        self._desk = desk
        self._checking = checking
        self._reporting = reporting
        self._layout = slots.parse_layout(desk.config.layout)
        self._director_root: "bytes | None" = None
        self._interval_s = desk.config.check_interval_s
        self._error: "CamwardError | None" = None
        self._retries = 0
        self._look_again = False
        self._last_result = ""
        self._ask: "Callable[[Outcome], None] | None" = None
        self.state = FRESH
        self.rest_hook: "Callable[[], None] | None" = None
        self.committed_hook: "Callable[[str, str], None] | None" = None
        self._actions: "dict[str, Callable[[], None]]" = {
            "rest": self._rest,
            "back_off": self._back_off,
            "retry_later": self._retry_later,
            "ask_repositories": self._ask_repositories,
            "raise_index": self._raise_index,
            "report_started": lambda: self._report_once("started"),
            "report_installed": lambda: self._report_once("installed"),
            "report_committed": self._report_committed,
            "report_rolled_back": self._report_rolled_back,
            "report_refused": self._report_refused,
        }
        self._writing = Writing(desk, time, reporting, self._layout, self)
        self._actions.update(self._writing.actions())
        self.trial = Trial(desk, health, self)
        self._actions.update(self.trial.actions())
        self.waiting = Waiting(desk, checking, Scheduling(desk, time), self._layout, self)
        self._actions.update(self.waiting.actions())

    # Called by the agent

    def start(self) -> None:
        """Find out where the last run of the agent left off, and go on."""
        self.state = self._load()
        self._desk.epoch_floor = self.state.epoch_floor
        boot = self._desk.ports.boot
        booted, record = boot.booted_slot(), boot.read()
        if self.state.phase not in update.BOOT_PHASES and slots.on_trial(record, booted):
            # The state was lost during a trial: the trial is what the boot record says.
            self.state = self.state.replace(phase=update.TRIAL, slot=booted, release=None, delivery=None)
        if self.state.phase not in update.BOOT_PHASES:
            self.trial.tell_what_gave_way(record, booted)
        event = update.start_event(self.state.phase, self.state.slot, booted, record)
        if event == "booted_old":
            self.go(event, cause=self.trial.cause(record))
        elif event == "stayed":
            self.go(event, cause="the recovery system did not start")
        else:
            self.go(event)

    def enrolled(self, director_root: bytes, interval_s: int) -> None:
        """There is an operator now: look into the repositories every `interval_s` from now on."""
        self._director_root = director_root
        self._interval_s = interval_s
        self.check_now()

    def check_now(self) -> None:
        """Look into the repositories in the next step, or as soon as what is going on has ended."""
        if self.state.phase == update.IDLE and self._director_root is not None:
            self._desk.soon(_TIMER, self._due)
        elif self.state.phase == update.WAITING:
            self.waiting.look_soon()
        else:
            self._look_again = True

    def looking(self) -> bool:
        """Whether it is being found out what there is to install."""
        return self.state.phase == update.CHECKING

    def make_way(self, why: str = "a person at the camera has ordered another installation") -> str:
        """End what is under way, for an order that a person gives at the camera; returns what speaks against it.

        What is written already stays, and is not fetched again. A trial boot is not for anybody to interrupt.
        """
        self._checking.stop()
        self.waiting.stop_looking()
        if self.state.phase == update.CHECKING:
            self.go("nothing")
        elif self.state.phase in (update.READING_TREE, update.INSTALLING, update.READING_BACK, update.WAITING):
            self.go("refused", Superseded(why))
        return "" if self.state.phase == update.IDLE else "a new version is being tried"

    def order(self, ask: "Callable[[Outcome], None]") -> None:
        """Install what `ask` finds, in place of what the operator's repositories say. Only after `make_way`."""
        self._ask = ask
        self._due()

    def status(self) -> "dict[str, object]":
        """Phase, progress and last result for people."""
        found: "dict[str, object]" = {"phase": self.state.phase, "last_result": self._last_result}
        if self.state.release is not None:
            found["to"] = self.state.release["version"]
        progress = self._writing.progress()
        if progress is not None:
            found["progress_percent"] = progress
        found.update(self.waiting.status())
        return found

    def calm(self) -> bool:
        """Whether no slot is being written, nor holds what is about to be tried."""
        return self.state.phase in (update.IDLE, update.CHECKING)

    def on_trial(self) -> bool:
        """Whether this boot is a trial boot that has not been committed yet."""
        return self.state.phase in (update.TRIAL, update.COMMITTING)

    # The machine

    def go(self, event: str, error: "CamwardError | None" = None, **changes: "Any") -> None:
        """Follow the edge: save the phase, then run the actions. Also for agent.app.trial and agent.app.waiting."""
        row = update.advance(self.state.phase, event)
        self._desk.cancel(_TIMER)  # what could not be saved before counts no more: this event has come first
        self._error = error
        if event == "complete":
            self._retries = 0
        new = self.state.replace(phase=row.then, **changes)
        try:
            if new != self.state:
                self._desk.ports.store.write(STATE, encode(new))
        except Unavailable as caught:
            self._last_result = str(caught)  # what cannot be stored cannot be reported: the status says it
            self._desk.at(_TIMER, self._desk.now + RETRY_MAX_S, lambda: self.go(event, error, **changes))
            return
        self.state = new
        self._desk.epoch_floor = new.epoch_floor
        for action in row.actions:
            try:
                self._actions[action]()
            except Unavailable as caught:
                self.go("unavailable", caught)
                return
            except Rejected as caught:
                self.go("refused", caught)
                return

    def _due(self) -> None:
        if self.state.phase == update.IDLE:
            self.go("due")

    # Looking for work

    def _rest(self) -> None:
        self._end()
        if self._director_root is not None:
            jitter = 0.9 + 0.2 * self._desk.random()
            self._next_look(self.waiting.rest_s(self._interval_s * jitter))

    def _back_off(self) -> None:
        self._end()
        failures = min(self.state.failures + 1, 16)
        self.save(failures=failures)
        twice = 2.0 * self._interval_s  # its mean is the interval
        if isinstance(self._error, Unavailable):
            least, first, most = LOOK_LEAST_S, min(LOOK_FIRST_S, twice), min(BACK_OFF_MAX_S, twice)
        else:
            least, first, most = self._interval_s / 2, twice, BACK_OFF_MAX_S
        delay = backoff.delay_s(failures, first, most, self._desk.random())
        self._next_look(max(least, delay, backoff.spread_s(_asked_for(self._error), self._desk.random())))

    def _next_look(self, delay_s: float) -> None:
        """Look after `delay_s`, or at once if somebody asked in the meantime: the order may have changed since."""
        if self._look_again:
            self._look_again = False
            delay_s = 0.0
        self._desk.at(_TIMER, self._desk.now + delay_s, self._due)

    def _ask_repositories(self) -> None:
        ask, self._ask = self._ask, None
        if ask is not None:
            ask(self.checked)
        elif self._director_root is None:
            self.go("nothing")
        else:
            self._checking.start(self._director_root, self.checked)

    def checked(self, release: "Release | None", error: "CamwardError | None") -> None:
        """Take what a look into the repositories has found; also for agent.app.waiting."""
        self.waiting.looked(release, error)
        if isinstance(error, Rejected) and self.state.phase == update.WAITING:
            self.go("refused", error)  # the report names what waited
        elif isinstance(error, Rejected):
            self.go("refused", error, release=None, delivery=None)
        elif error is not None:
            self._last_result = str(error)
            self._desk.say("camward-agent: what to install cannot be found out now: " + str(error))
            self.go("unavailable", error)
        elif release is None:
            self._last_result = "up to date"
            self.go("nothing", failures=0, refused="")
        elif release.version in self.state.failed:
            self._last_result = release.version + " failed before"
            self.go("known_bad")
        elif (misfit := self._misfit(release)) is not None:
            self.go("refused", misfit, release=None, delivery=None)
        else:
            self._writing.end()
            booted, way = self._desk.ports.boot.booted_slot(), self._checking.delivery
            target = self._layout.target(booted)
            event = "occupied" if target == booted else "assigned"
            if not self.waiting.may_fetch(release, way.install_now):
                event = "not_yet"
            self.go(
                event, release=saved(release), delivery=delivery.as_json(way), slot=target,
                origin=self._desk.config.version, damaged=0, cause="", epoch_floor=self._epoch_floor(),
                sealed=sealed(self.state, release.sha256, way),
            )  # fmt: skip

    def _misfit(self, release: "Release") -> "Rejected | None":
        """Why this release cannot be written on this camera's disk, before anything of it is fetched."""
        if release.layout != self._layout.name:
            return WrongHardware(release.target + " is for the layout " + release.layout)
        target = self._layout.target(self._desk.ports.boot.booted_slot())
        if release.length_bytes > self._layout.slot(target).length:
            return ImageTooLarge(release.target)
        return None

    def _epoch_floor(self) -> int:
        """The security epoch that no order goes below while the recovery system runs, which is older than what ran."""
        if self._layout.kind == slots.AB:
            return 0
        return max(self.state.epoch_floor, self._desk.config.security_epoch)

    def _raise_index(self) -> None:
        # The recovery system raises it to its own epoch, and never shuts itself out.
        self.trial.raise_index(self._desk.config.security_epoch)

    def _retry_later(self) -> None:
        self._last_result = str(self._error)
        self._retries = 1 if self._writing.went_on() else self._retries + 1
        if isinstance(self._error, ClockDoubt) and self._director_root is not None:
            self._checking.put_clock_right(self._director_root)  # otherwise nothing would, until this update is done
        delay = backoff.delay_s(self._retries, RETRY_FIRST_S, RETRY_MAX_S, self._desk.random())
        delay = max(RETRY_LEAST_S, delay, backoff.spread_s(_asked_for(self._error), self._desk.random()))
        self._desk.at(_TIMER, self._desk.now + delay, lambda: self.go("retry"))

    # Telling

    def report(self, event: str, code: str = "", detail: str = "", until_at: "int | None" = None) -> bool:
        """Queue a signed report; False when it could not be kept."""
        self._last_result = event + (" " + code if code else "")
        origin, slot = self.state.origin, self.state.slot
        report = messages.Report(event, origin, self._version(), code, detail, slot, until_at)
        return self._reporting.report_update(report)

    def _report_once(self, event: str) -> None:
        """Once per release: further attempts at it are no news. Noted before it is queued, so never twice."""
        told = event + " " + self._version()
        if told not in self.state.told:
            self.save(told=(self.state.told + (told,))[-MAX_TOLD:])
            self.report(event)

    def _report_committed(self) -> None:
        if self.committed_hook is not None and not self._retries:
            self.committed_hook(self.state.origin, self._version())
        self._report_outcome("committed")
        running = self._desk.config.version
        self.go(
            "complete", release=None, delivery=None, slot="", failures=0, refused="", committed=running,
            epoch_floor=self._epoch_floor(),
        )  # fmt: skip

    def _report_rolled_back(self) -> None:
        self._report_outcome("rolled_back", "unhealthy", self.state.cause)
        self.go("complete", release=None, delivery=None, slot="", cause="", unhealthy=0)

    def report_gave_way(self, version: str, cause: str) -> None:
        """See agent.app.trial."""
        slot = slots.other(self._desk.ports.boot.booted_slot())
        self._last_result = "rolled_back gave_way"
        running = self._desk.config.version
        self._reporting.report_update(messages.Report("rolled_back", running, version, "gave_way", cause, slot, None))

    def _report_outcome(self, event: str, code: str = "", detail: str = "") -> None:
        """What has come of the update stands, whatever becomes of its report; which is tried again, but not for ever.

        Raises:
            Unavailable: it could not be kept; the phase stays, and this is done again.
        """
        if not self.report(event, code, detail) and self._retries < MAX_REPORT_RETRIES:
            raise Unavailable("the report of it cannot be kept")

    def _report_refused(self) -> None:
        """Once per refusal: the same one again is no news."""
        error = self._error
        code, detail = (error.code, error.detail) if error is not None else ("rejected", "")
        told = code + " " + self._version() + " " + detail
        self._last_result = "refused " + code
        if told != self.state.refused:
            self.report("refused", code, detail)
            self.save(refused=told)

    # Small change

    def director(self) -> "tuple[bytes | None, float]":
        """The director's root, None without an operator, and the seconds between two looks."""
        return self._director_root, self._interval_s

    def at_rest(self) -> None:
        """Let go of what the writing of the slot has needed."""
        self._writing.end()

    def _end(self) -> None:
        self._writing.end()
        if self.rest_hook is not None:
            self.rest_hook()

    def _version(self) -> str:
        return str(self.state.release["version"]) if self.state.release is not None else ""

    def save(self, **changes: "Any") -> None:
        """Save changes of the state that lead to no other phase.

        Raises:
            Unavailable: the store fails.
        """
        new = self.state.replace(**changes)
        self._desk.ports.store.write(STATE, encode(new))
        self.state = new

    def _load(self) -> State:
        """The saved state; a damaged one counts as idle (the boot record still says whether this is a trial)."""
        body = self._desk.ports.store.read(STATE)
        if body is None:
            return FRESH
        try:
            return decode(body)
        except FormatError:
            return FRESH


def _asked_for(error: "CamwardError | None") -> float:
    """How long a server has asked to be left alone, in seconds."""
    return error.retry_after_s if isinstance(error, Busy) else 0.0
