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
    from agent.app.asked import Asked
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.reporting import Reporting
    from agent.app.trusted_time import TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.required_change import RequiredChange

CHANGE_REQUIRED = "change_required"
DONE, NONE = "done", "none"
LOOK_EVERY_S = 3600.0  # at the stage, where the next one is far: the proven time may have moved by a look in between
LEAST_S = 1.0
SOON_S = 60.0  # when a change is just being proved, or the storage fails
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
        self._loaded = False
        self._refused = ""
        self._taken_now: "float | None" = None  # monotonic, of an order that was taken in this run
        self._shut_out: "tuple[str, ...]" = ()
        self.shut_out_hook: "Callable[[], None]" = _nothing
        """Called when `shuts_out` has come to another view of somebody."""
        desk.directed_hook = self.directed

    def start(self) -> None:
        """Go on with the order that the last run has left, and report what it had no time to."""
        self._time.at_least_s()  # from here on the monotonic clock counts
        self._load()

    def _load(self) -> None:
        """Read what is kept. While the storage fails there is no order, and none is taken: it would forget the last."""
        try:
            body = self._desk.ports.store.read(DOCUMENT)
            self._state = NOTHING if body is None else decode(body)
        except FormatError:
            self._desk.say("camward-agent: the order to change passwords is damaged; the server is asked again")
        except Unavailable as error:
            self._desk.say("camward-agent: the order to change passwords cannot be read: " + str(error))
            self._desk.at(_TIMER, self._desk.now + SOON_S, self._load)
            return
        self._loaded = True
        self._desk.soon(_TIMER, self._look)

    # Taking orders

    def directed(self, signed: "dict[str, Any]") -> None:
        """Take what the director's targets say, whose signatures have been verified."""
        if not self._loaded or not self._credentials.claimed():
            return  # also while a change is being proved: which hashes will count is not known then
        if signed.get(orders.MEMBER) is None:
            self._withdrawn()
            return
        try:
            order = orders.parse(signed[orders.MEMBER])
        except FormatError:
            self._refuse("format", 0)  # what is wrong with it quotes the order: not for a console
            return
        state, proven_at = self._state, self._time.at_least_s()
        counted_s = required_change.EVERY_S if self._taken_now is None else self._desk.now - self._taken_now
        verdict = required_change.judge(order.since_at, state.since_at, state.taken_at, proven_at, counted_s)
        if verdict == required_change.TAKE:
            self._take(order, proven_at)
        elif verdict != required_change.AMEND:
            self._refuse(verdict, order.since_at)
        elif order != state.order:
            amended = state.replace(order=order, reached=required_change.stage(order, proven_at), told="")
            self._keep(amended.replace(behind=self._behind(state)))

    def _take(self, order: "RequiredChange", proven_at: int) -> None:
        old = {name: hashes for name, hashes in self._state.old.items() if name in self._accounts.users}
        for name, account in self._accounts.users.items():
            known = old.get(name, ())
            if required_change.is_old(account.set_at, order.since_at, proven_at) and account.phc not in known:
                old[name] = ((account.phc,) + known)[:MAX_OLD]
        fresh = State(order.since_at, proven_at, order, required_change.stage(order, proven_at), "", 0, old)
        fresh = fresh.replace(behind=self._behind(fresh))
        self._keep(fresh)
        if self._state is fresh:
            self._taken_now = self._desk.now

    def _withdrawn(self) -> None:
        """What the server alone has made stricter, it can make as it was: never below the camera's own rules."""
        if self._state.order is not None:
            self._keep(self._state.replace(order=None, reached=ORDERED, told="", behind=0))

    def _refuse(self, code: str, since_at: int) -> None:
        """Say once in this run that an order is not followed."""
        told = code + " " + str(since_at)
        if told != self._refused:
            self._refused = told
            self._desk.say("camward-agent: an order to change passwords is refused: " + code)
            self._report("refused", since_at, code)

    def _keep(self, state: "State") -> None:
        """Write it, and report what is news about it; what cannot be written, the next look at the director brings."""
        try:
            self._desk.ports.store.write(DOCUMENT, encode(state))
        except Unavailable as error:
            self._desk.say("camward-agent: an order to change passwords cannot be kept: " + str(error))
            return
        self._state = state
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
        """Report what is news, and note that it was reported: after a power cut in between it is said once more."""
        state = self._state
        if not self._credentials.claimed():
            self._desk.at(_TIMER, self._desk.now + SOON_S, self._look)
            return
        shut_out = tuple([name for name, one in self._accounts.users.items() if self.shuts_out(one)])
        if shut_out != self._shut_out:
            self._shut_out = shut_out
            self.shut_out_hook()
        stage, behind = self.stage(), self._behind(state)
        news = self._news(stage, behind)
        if news and self._report(news, state.since_at, ""):
            self._keep(state.replace(reached=stage, told=news, behind=behind))
        if self._state != state or (state.order is None and not news):
            return  # there may be more to tell, and then this runs in the next step; or there is nothing at all
        order, proven_at = state.order, self._time.at_least_s()
        next_at = NEVER if order is None else required_change.next_at(order, proven_at)
        wait_s = LOOK_EVERY_S if next_at == NEVER else min(LOOK_EVERY_S, float(next_at - proven_at))
        self._desk.at(_TIMER, self._desk.now + max(LEAST_S, wait_s), self._look)

    def _news(self, stage: str, behind: int) -> str:
        """What the server has not been told yet, as one of agent.formats.required_change.EVENTS; empty if nothing."""
        state = self._state
        if state.order is None:
            return "withdrawn" if state.since_at and not state.told else ""
        if not state.told:
            return "accepted"
        if not behind:
            return "" if state.told == DONE else DONE
        if stage != state.reached or (stage != ORDERED and state.told in ("accepted", DONE)):
            return stage
        return "changed" if behind < state.behind else ""

    def _behind(self, state: "State") -> int:
        return sum(1 for account in self._accounts.users.values() if account.phc in state.old.get(account.name, ()))

    def _is_old(self, account: "Account") -> bool:
        return self._state.order is not None and account.phc in self._state.old.get(account.name, ())

    def _report(self, event: str, since_at: int, code: str) -> bool:
        report = ChangeReport(event, since_at, self._behind(self._state), len(self._accounts.users), code)
        return self._reporting.queue("report", orders.report_body(report))

    # Who may do what

    def shuts_out(self, account: "Account") -> bool:
        """Whether this account's password opens nothing any more but its own change."""
        return self.stage() in (RESTRICTED, CLAIM_ONLY) and self._is_old(account)

    def turns_away(self, asked: "Asked", account: "Account", changing: bool = False) -> bool:
        """Refuse somebody whose password was right, but is to be changed; `changing`: it is being changed."""
        stage = self.stage()
        if not self.shuts_out(account):
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

    def marked(self, listed: "list[dict[str, Any]]") -> "list[dict[str, Any]]":
        """A list of users for an administrator, in which those who are behind have `behind`."""
        for one in listed:
            if self._is_old(self._accounts.users[one["name"]]):
                one["behind"] = True
        return listed

    def unless_used(self, asked: "Asked", password: str, user: str, go: "Callable[[], None]") -> None:
        """Refuse a new password that is one of those that were to be changed; otherwise `go`, on the same users."""
        left = list(self._state.old.get(user, ())) if self._state.order is not None else []
        users = self._accounts.users

        def compare() -> None:
            if left:
                self._desk.call("hasher", "verify", (password, left.pop()), compared)
            elif self._accounts.users is not users:
                # Somebody may have been removed, or lost the role by which this was asked for.
                asked.no("busy", {"detail": "users were changed meanwhile"})
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
        # Who cannot read its accounts, or is just proving a change, does not know that nobody is behind.
        return DONE if self._credentials.claimed() and not self._behind(self._state) else self.stage()

    def facts(self) -> "dict[str, Any]":
        """What telemetry says of it."""
        behind = self._behind(self._state) if self._state.order is not None else None
        return {"password_stage": self.verdict(), "passwords_behind": behind}


def _nothing() -> None:
    """Whoever shows accounts elsewhere puts something in its place."""
