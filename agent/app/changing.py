"""The operator's order to change passwords, as this camera follows it (ADR 0020).

It makes old passwords worth less, step by step, and does nothing else. Its way out is always the same: whoever shows
the old password sets a new one (an administrator's in every stage), over the credential transaction as ever. Whoever
signs orders learns no password, chooses none, and never makes the camera unclaimed.
"""

from agent.app.change_state import DOCUMENT, MAX_OLD, NOTHING, State, decode, encode
from agent.core import required_change
from agent.core.password import Violation
from agent.formats import required_change as orders
from agent.formats.errors import FormatError, Unavailable
from agent.formats.required_change import CLAIM_ONLY, NEVER, ORDERED, RESTRICTED, ChangeReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.accounts import Account, Accounts
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.login import Asked
    from agent.app.reporting import Reporting
    from agent.app.trusted_time import TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.required_change import RequiredChange

CHANGE_REQUIRED = "change_required"
DONE, NONE = "done", "none"
LOOK_EVERY_S = 3600.0  # at the stage, where the next one is far: the proven time may have moved by a look in between
LEAST_S = 1.0
SOON_S = 60.0  # when a change is just being proved
_TIMER = "required_change"
USED = Violation(
    "used",
    "This password was to be changed. Use a different one.",
    "このパスワードは変更の対象になったものです。別のパスワードにしてください。",
)


class Changing:
    """Takes orders from verified metadata, and tells who may do what while one is in force."""

    def __init__(
        self,
        desk: "Desk",
        time: "TrustedTime",
        accounts: "Accounts",
        credentials: "Credentials",
        reporting: "Reporting",
    ) -> None:
        self._desk = desk
        self._time = time
        self._accounts = accounts
        self._credentials = credentials
        self._reporting = reporting
        self._state = NOTHING
        self._refused = ""
        desk.directed_hook = self.directed

    def start(self) -> None:
        """Go on with the order that the last run has left, and report what it had no time to.

        Raises:
            Unavailable: the storage fails.
        """
        body = self._desk.ports.store.read(DOCUMENT)
        try:
            self._state = NOTHING if body is None else decode(body)
        except FormatError:
            self._desk.say("camward-agent: the order to change passwords is damaged; the server is asked again")
        self._time.at_least_s()  # from here on the monotonic clock counts
        self._desk.soon(_TIMER, self._look)

    # Taking orders

    def directed(self, signed: "dict[str, Any]") -> None:
        """Take what the director's targets say, whose signatures have been verified."""
        if not self._credentials.claimed():
            return  # also while a change is being proved: which hashes will count is not known then
        if signed.get(orders.MEMBER) is None:
            self._withdrawn()
            return
        try:
            order = orders.parse(signed[orders.MEMBER])
        except FormatError as error:
            self._refuse("format", 0, str(error))
            return
        state, proven_at = self._state, self._time.at_least_s()
        verdict = required_change.judge(order.since_at, state.since_at, state.taken_at, proven_at)
        if verdict == required_change.TAKE:
            self._take(order, proven_at)
        elif verdict != required_change.AMEND:
            self._refuse(verdict, order.since_at, "")
        elif order != state.order:
            amended = state.replace(order=order, reached=required_change.stage(order, proven_at), told="accepted")
            self._save(amended.replace(behind=self._behind(state)), "accepted")

    def _take(self, order: "RequiredChange", proven_at: int) -> None:
        old = {name: hashes for name, hashes in self._state.old.items() if name in self._accounts.users}
        for name, account in self._accounts.users.items():
            known = old.get(name, ())
            if required_change.is_old(account.set_at, order.since_at, proven_at) and account.phc not in known:
                old[name] = ((account.phc,) + known)[:MAX_OLD]
        fresh = State(order.since_at, proven_at, order, required_change.stage(order, proven_at), "accepted", 0, old)
        self._save(fresh.replace(behind=self._behind(fresh)), "accepted")

    def _withdrawn(self) -> None:
        """What the server alone has made stricter, it can make as it was: never below the camera's own rules."""
        if self._state.order is not None:
            self._save(self._state.replace(order=None, reached=ORDERED, told="withdrawn", behind=0), "withdrawn")

    def _refuse(self, code: str, since_at: int, detail: str) -> None:
        """Say once in this run that an order is not followed."""
        told = code + " " + str(since_at)
        if told != self._refused:
            self._refused = told
            self._desk.say("camward-agent: an order to change passwords is refused: " + code + " " + detail[:200])
            self._report("refused", since_at, code)

    def _save(self, state: "State", event: str) -> None:
        """Keep it, then report it; where it cannot be kept, the next look brings the order again."""
        try:
            self._desk.ports.store.write(DOCUMENT, encode(state))
        except Unavailable as error:
            self._desk.say("camward-agent: an order to change passwords cannot be kept: " + str(error))
            return
        self._state = state
        self._report(event, state.since_at, "")
        self._desk.soon(_TIMER, self._look)

    # How far it has come

    def changed(self) -> None:
        """A password was changed, and proved on the live services."""
        self._look()

    def stage(self) -> str:
        """How strict the order is by now; ORDERED without one."""
        state = self._state
        if state.order is None:
            return ORDERED
        return required_change.stricter(state.reached, required_change.stage(state.order, self._time.at_least_s()))

    def _look(self) -> None:
        """Note and report what is news: a stage that has begun, or fewer accounts that are behind."""
        state = self._state
        if state.order is None:
            return
        if not self._credentials.claimed():
            self._desk.at(_TIMER, self._desk.now + SOON_S, self._look)
            return
        stage, behind = self.stage(), self._behind(state)
        if state.told != DONE and not behind:
            self._save(state.replace(reached=stage, told=DONE, behind=0), DONE)
        elif stage != state.reached or (behind and stage != ORDERED and state.told in ("accepted", DONE)):
            self._save(state.replace(reached=stage, told=stage, behind=behind), stage)
        elif behind < state.behind:
            self._save(state.replace(behind=behind), "changed")
        self._look_again()

    def _look_again(self) -> None:
        order, proven_at = self._state.order, self._time.at_least_s()
        next_at = NEVER if order is None else required_change.next_at(order, proven_at)
        wait_s = LOOK_EVERY_S if next_at == NEVER else min(LOOK_EVERY_S, float(next_at - proven_at))
        self._desk.at(_TIMER, self._desk.now + max(LEAST_S, wait_s), self._look)

    def _behind(self, state: "State") -> int:
        return sum(1 for account in self._accounts.users.values() if account.phc in state.old.get(account.name, ()))

    def _is_old(self, account: "Account") -> bool:
        return self._state.order is not None and account.phc in self._state.old.get(account.name, ())

    def _report(self, event: str, since_at: int, code: str) -> None:
        report = ChangeReport(event, since_at, self._behind(self._state), len(self._accounts.users), code)
        self._reporting.queue("report", orders.report_body(report))

    # Who may do what

    def turns_away(self, asked: "Asked", account: "Account", changing: bool = False) -> bool:
        """Refuse somebody whose password was right, but is to be changed; `changing`: it is being changed."""
        stage = self.stage()
        if stage not in (RESTRICTED, CLAIM_ONLY) or not self._is_old(account):
            return False
        administrator = account.role == "administrator"
        if changing and (administrator or stage == RESTRICTED):
            return False
        asked.no(CHANGE_REQUIRED, {"stage": stage, "may_change": administrator or stage == RESTRICTED})
        return True

    def reminder(self, account: "Account") -> "dict[str, Any]":
        """What a login tells somebody whose password is to be changed; empty for everybody else."""
        order = self._state.order
        if order is None or not self._is_old(account) or self.stage() == ORDERED:
            return {}
        return {"change": self.stage(), "restrict_at": order.restrict_at}

    def unless_used(self, asked: "Asked", password: str, user: str, go: "Callable[[], None]") -> None:
        """Refuse a new password that is one of those that were to be changed; otherwise `go`."""
        left = list(self._state.old.get(user, ())) if self._state.order is not None else []

        def compare() -> None:
            if left:
                self._desk.call("hasher", "verify", (password, left.pop()), compared)
            else:
                go()

        def compared(same: "object", error: "CamwardError | None") -> None:
            if error is not None:
                asked.no("busy", {"detail": str(error)[:300]})
            elif same is True:
                asked.no("policy", {"violations": [USED.as_dict()]})
            else:
                compare()

        compare()

    # For people and the server

    def status(self) -> "dict[str, Any]":
        """What the camera's page shows; empty without an order."""
        order = self._state.order
        if order is None:
            return {}
        return {
            "stage": self.verdict(), "reason": order.reason, "behind": self._behind(self._state),
            "restrict_at": order.restrict_at, "claim_only_at": order.claim_only_at,
        }  # fmt: skip

    def verdict(self) -> str:
        """The stage, DONE when nobody is behind, NONE without an order."""
        if self._state.order is None:
            return NONE
        return self.stage() if self._behind(self._state) else DONE

    def facts(self) -> "dict[str, Any]":
        """What telemetry says of it."""
        behind = self._behind(self._state) if self._state.order is not None else None
        return {"password_stage": self.verdict(), "passwords_behind": behind}
