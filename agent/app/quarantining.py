"""Quarantine: the operator has this camera closed to everybody but itself, until it is released or erased (ADR 0041).

The agent goes on: link, commands, evidence and updates. Whoever asks who may log in is told that the camera is locked,
which ends sessions and streams; the system's own logins and SSH are closed; and where the system has a firewall, other
programs reach nobody, and nobody reaches them but on the page that tells the owner why. It is stored before it is
told, so a restart changes nothing. A record of it that cannot be read counts as quarantine: it is ended by the next
`release`, and never by damage.
"""

from agent.app.accounts import LOCKED
from agent.app.orders import started
from agent.formats import quarantine, utc
from agent.formats.errors import FormatError, Unavailable
from agent.formats.quarantine import NEVER, Quarantine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.accounts import Accounts
    from agent.app.asked import Asked
    from agent.app.changing import Changing
    from agent.app.desk import Desk
    from agent.app.office import Office
    from agent.formats.errors import CamwardError

    Told = Callable[[str], None]
    Operation = Callable[[Asked], None]
    Compare = Callable[[Asked, str, str, Callable[[bool], None]], None]

DOCUMENT = "quarantine/state.json"
NO_FIREWALL = "no_firewall"
"""What a command is answered with where the traffic of other programs could not be closed (or opened again)."""
IN_QUARANTINE = "this camera is in quarantine: its operator releases it, or its owner erases it"
RETRY_S = 60.0
PAGE = "web"  # the kind of service that tells the owner why
STATE, ERASE = "state", "erase_locked"
"""The operations of the login socket that stay: what the camera is, and the owner's way out."""
ADMINISTRATOR = "administrator"
_TIMER = "quarantine"


class Quarantining:
    """Begins and ends it; what it does to others they ask `accounts.quarantined` for."""

    def __init__(self, desk: "Desk", accounts: "Accounts") -> None:
        self._desk = desk
        self._accounts = accounts
        self._state = NEVER
        self._closed: "bool | None" = None  # whether the firewall is; None while that is not known
        self.changed_hook: "Callable[[], None]" = lambda: None
        """Told when it has begun or ended."""

    def start(self) -> None:
        """Go on with it, before anybody is told who may log in."""
        try:
            body = self._desk.ports.store.read(DOCUMENT)
            found = NEVER if body is None else quarantine.decode(body)
        except (FormatError, Unavailable) as error:
            self._desk.say("camward-agent: in quarantine, because nobody knows: " + str(error))
            found = NEVER.replace(active=True)
        self._take(found)
        if found.number or found.active:
            self._apply(lambda _: None)

    @property
    def active(self) -> bool:
        """Whether the camera is in quarantine."""
        return self._state.active

    def begin(self, number: int, reason: str, at: int, told: "Told") -> None:
        """Close the camera; durable when it returns. `told` empty, or NO_FIREWALL, once other traffic is cut off.

        Begun again, it gets the new reason.

        Raises:
            Unavailable: the storage fails, and nothing has changed.
        """
        since_at = self._state.since_at if self._state.active and self._state.since_at else at
        self._change(Quarantine(True, number, since_at, reason), told)

    def end(self, told: "Told") -> None:
        """Open it again; logins from before do not come back. Else as `begin`.

        Raises:
            Unavailable: the storage fails, and nothing has changed.
        """
        if not self._state.active:
            told("")
            return
        self._change(self._state.replace(active=False, since_at=0, reason=""), told)

    def _change(self, state: Quarantine, told: "Told") -> None:
        self._desk.ports.store.write(DOCUMENT, quarantine.encode(state))
        self._take(state)
        self._accounts.show()
        self._desk.say("camward-agent: quarantine " + ("begins" if state.active else "is over"))
        self._apply(told)
        self.changed_hook()

    def _take(self, state: Quarantine) -> None:
        self._state = state
        self._accounts.quarantined, self._accounts.quarantines = state.active, state.number

    # The traffic of other programs

    def _apply(self, told: "Told") -> None:
        """Have the firewall do what is so; where it does not, again and again."""
        wanted, desk = self._state.active, self._desk
        pages = tuple([service.port for service in desk.config.services if service.kind == PAGE])

        def done(_: "object", error: "CamwardError | None") -> None:
            self._closed = wanted if error is None else None
            if error is not None:
                desk.say("camward-agent: the firewall does not follow: " + str(error))
                desk.at(_TIMER, desk.now + RETRY_S, lambda: self._apply(lambda _: None))
            told("" if error is None else NO_FIREWALL)

        desk.cancel(_TIMER)
        if wanted:
            desk.call("firewall", "close", (pages,), done)
        else:
            desk.call("firewall", "open", (), done)

    # The login socket

    def operations(self, changing: "Changing", office: "Office", compare: "Compare") -> "dict[str, Operation]":
        """The owner's way out, by name: there are no sessions, so name and password come with it."""

        def erase(asked: "Asked") -> None:
            user = asked.arguments["user"]
            if not self._state.active:
                asked.no("bad_request", {"detail": "this camera is in no quarantine"})
                return

            def compared(right: bool) -> None:
                account = self._accounts.users.get(user)
                if not right or account is None or account.role != ADMINISTRATOR:
                    asked.no("denied")
                elif not changing.turns_away(asked, account):
                    started(asked, office.erase())

            compare(asked, user, asked.arguments["password"], compared)

        return {ERASE: erase}

    def refuses(self, op: str) -> bool:
        """Whether an operation of the login socket is refused for it."""
        return self._state.active and op not in (STATE, ERASE)

    # What is said of it

    def told(self) -> "dict[str, Any]":
        """What the operation `state` says beside or instead of what it says else; empty without quarantine.

        Camera programs from before know the state `locked` and close everything.
        """
        if not self._state.active:
            return {}
        return {"state": LOCKED, "claimable": False, "quarantined": True, "reason": self._state.reason}

    def fact(self) -> "dict[str, Any]":
        """For evidence and status. `traffic_closed`: whether other programs are cut off; None: nobody knows."""
        state = self._state
        found: "dict[str, Any]" = {"active": state.active}
        if state.active:
            found.update({"since_at": state.since_at, "reason": state.reason, "traffic_closed": self._closed})
        return found

    def status(self) -> "dict[str, Any]":
        """For people: as `fact`, with a date."""
        found = self.fact()
        if "since_at" in found:
            found["since"] = utc.render(found.pop("since_at"))
        return found

    def facts(self) -> "dict[str, Any]":
        """For telemetry: since when, as Unix seconds; None without quarantine."""
        return {"quarantined_at": self._state.since_at if self._state.active else None}
