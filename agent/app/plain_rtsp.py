"""RTSP in the clear: an exception that an administrator opens for some days, for recorders that know no RTSPS.

It stands for exactly as long as the camera lets people in, its opener is an administrator, and its time is not over.
There is no list of causes that end it: this is looked at after every step of the agent, and what does not stand any
more is closed for good. Nothing but an administrator's order at the camera opens it; it survives restarts, and no
erase or change of operator (agent.app.handover keeps nothing of it).

Whoever listens sees the picture, and can guess at the password of the login that he has heard, at his own pace. So
viewers alone get in by it: that password opens nothing else. Basic is refused here as well as by the camera's program.
A right password of anybody else was heard all the same: its owner and the operator are told that it must be changed.
"""

from agent.app.accounts import LOCKED
from agent.formats import plain_rtsp, utc
from agent.formats.config import Service
from agent.formats.errors import FormatError, Unavailable
from agent.formats.plain_rtsp import SERVICE, Opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.accounts import Account, Accounts
    from agent.app.alarms import Alarms
    from agent.app.asked import Asked
    from agent.app.desk import Desk
    from agent.app.office import Refusal
    from agent.app.orders import Granted
    from agent.app.ssh import Sure
    from agent.app.trusted_time import TrustedTime
    from agent.formats.config import Config

DOCUMENT = "plain_rtsp/opened.json"
SENT = "credentials/sent_in_clear.json"  # there: it is about the users, and stays as long as they do
KIND = "rtsp"
ADMINISTRATOR, VIEWER = "administrator", "viewer"
DAY_S = 86400
MAX_DAYS = 366  # whoever needs it for longer decides once a year
LOOK_EVERY_S = 3600.0  # the wall clock may jump
RETRY_S = 60.0
UNDECLARED = ("bad_request", "this camera has no RTSP in the clear")
_TIMER = "plain_rtsp"


def services(config: "Config") -> "tuple[Service, ...]":
    """The service in the clear as proofs need it; none on a camera that the manufacturer has not declared it for."""
    return (Service(SERVICE, KIND, config.plain_rtsp_port),) if config.plain_rtsp_port else ()


class PlainRtsp:
    """Opens and closes the exception; the camera's program asks for its state on a login socket of its own."""

    def __init__(self, desk: "Desk", accounts: "Accounts", time: "TrustedTime", alarms: "Alarms") -> None:
        self._desk = desk
        self._accounts = accounts
        self._time = time
        self._alarms = alarms
        self._sent: "dict[str, tuple[int, int]]" = {}
        self._tell_at = 0.0
        self._opened: "Opened | None" = None
        self.changed_hook: "Callable[[], None]" = lambda: None
        """Told when it has been opened or closed."""

    def start(self, on_trial: bool) -> None:
        """Go on with it, if it still stands. A record that cannot be read is closed.

        Where this version has no port for it, the record is left alone, and closed in this run, while the version is on
        trial, and in a recovery system, which has no services: the system after it may be the one before it.
        """
        config = self._desk.config
        self._load_sent()
        if not config.plain_rtsp_port and (on_trial or not config.services):
            return
        try:
            body = self._desk.ports.store.read(DOCUMENT)
            if body is None:
                return
            self._opened = plain_rtsp.decode(body)
        except FormatError:
            self._forget()
        except Unavailable:
            pass  # closed in this run
        self._watch()

    def committed(self) -> None:
        """This version stays. If it has none, the record that `start` has left alone goes."""
        if not self._desk.config.plain_rtsp_port and self._desk.config.services:
            self._forget()

    def look(self) -> None:
        """Close it for good if it does not stand any more."""
        if self._opened is not None and not self._stands(self._opened):
            self._close()

    def services(self) -> "tuple[Service, ...]":
        """What evidence has to try beside the configured services now."""
        return services(self._desk.config) if self._opened is not None else ()

    def status(self) -> "dict[str, Any]":
        """Whether it is open, on which port, by whom, since and until when; empty on a camera that has none.

        `sent`: whose passwords came by it without being let in, and are still the same; left out if nobody's.
        """
        port, opened = self._desk.config.plain_rtsp_port, self._opened
        if not port:
            return {}
        found: "dict[str, Any]" = {"open": opened is not None, "port": port}
        if opened is not None:
            found["user"] = opened.user
            found["since"], found["until"] = utc.render(opened.since_at), utc.render(opened.ends_at)
        sent = sorted([name for name in self._sent if self._is_sent(name)])
        if sent:
            found["sent"] = sent
        return found

    def fact(self) -> "dict[str, Any]":
        """For evidence, which more people read: as `status`, without a name."""
        return {name: value for name, value in self.status().items() if name not in ("user", "sent")} or {"open": False}

    def open(self, user: str, port: str, days: str) -> "Refusal | None":
        """Open it for so many days; why not. `port`: as the person was shown it. Durable when it returns."""
        declared = self._desk.config.plain_rtsp_port
        if not declared:
            return UNDECLARED
        if port != str(declared):
            return "bad_request", "the port is " + str(declared)
        if not 0 < len(days) <= 3 or any(one not in "0123456789" for one in days) or not 1 <= int(days) <= MAX_DAYS:
            return "bad_request", "days are 1 to " + str(MAX_DAYS)
        now_s = self._time.now_s()
        since_at = self._opened.since_at if self._opened is not None else now_s  # opened for longer is not opened anew
        opened = Opened(user, since_at, now_s + int(days) * DAY_S, self._accounts.quarantines)
        if not self._stands(opened):
            return "busy", "credentials are being changed"
        try:
            self._desk.ports.store.write(DOCUMENT, plain_rtsp.encode(opened))
        except Unavailable as error:
            return "busy", str(error)
        self._opened = opened
        self._desk.say("camward-agent: RTSP in the clear is open, by " + user + ", for " + days + " days")
        self._watch()
        self.changed_hook()
        return None

    def close(self) -> "Refusal | None":
        """Close it before its time; why it may be open again after a power cut."""
        if not self._desk.config.plain_rtsp_port:
            return UNDECLARED
        problem = self._close()
        return ("busy", problem) if problem else None

    def _stands(self, opened: Opened) -> bool:
        if not self._desk.config.plain_rtsp_port or not self._accounts.lets_in():
            return False
        if opened.quarantines != self._accounts.quarantines:
            return False
        account = self._accounts.users.get(opened.user)
        return account is not None and account.role == ADMINISTRATOR and self._time.now_s() < opened.ends_at

    def _close(self) -> str:
        was, self._opened = self._opened, None
        problem = self._forget()
        if was is not None:
            self._desk.say("camward-agent: RTSP in the clear is closed")
            self.changed_hook()
        return problem

    def _forget(self) -> str:
        self._desk.cancel(_TIMER)
        try:
            self._desk.ports.store.delete(DOCUMENT)
        except Unavailable as error:
            self._desk.say("camward-agent: RTSP in the clear is closed, but not yet for good: " + str(error))
            self._desk.at(_TIMER, self._desk.now + RETRY_S, self._forget_again)
            return str(error)
        return ""

    def _forget_again(self) -> None:
        self._forget()

    def _watch(self) -> None:
        self.look()
        if self._opened is not None:
            left_s = float(self._opened.ends_at - self._time.now_s())
            self._desk.at(_TIMER, self._desk.now + min(left_s, LOOK_EVERY_S), self._watch)

    # The login sockets

    def refusal(self, service: str, op: str) -> str:
        """The code with which an operation is refused because it comes from the door in the clear; empty if not."""
        if service != SERVICE or op == "state":
            return ""
        if self._opened is None:
            return LOCKED
        return "" if op in ("nonce", "digest") else "denied"

    def told(self, service: str) -> "dict[str, Any]":
        """What `state` says there instead: locked while it is closed, so that the camera's program opens nothing."""
        if service != SERVICE or self._opened is not None:
            return {}
        return {"state": LOCKED, "claimable": False}

    def turns_away(self, asked: "Asked", account: "Account") -> bool:
        """Whether somebody whose password was right was refused, because he is more than a viewer."""
        if asked.service != SERVICE or account.role == VIEWER:
            return False
        self._note(account, asked.source)
        asked.no("denied")
        return True

    def _note(self, account: "Account", source: str) -> None:
        """Tell of a password that can be guessed at from now on: once for this password in this opening."""
        opened = self._opened
        if opened is None:
            return
        known, times = self._sent.get(account.name), (account.set_at, opened.since_at)
        if known == times:
            return
        if not self._tell(account.role, source):
            times = account.set_at, 0  # a later try tells it
            if known == times:
                return
        self._sent[account.name] = times
        self._sent = {name: known for name, known in self._sent.items() if self._is_sent(name)}
        self._desk.say("camward-agent: the password of " + account.name + " came without encryption: change it")
        try:
            self._desk.ports.store.write(SENT, plain_rtsp.encode_sent(self._sent))
        except Unavailable:
            pass  # it is known in memory

    def _tell(self, role: str, source: str) -> bool:
        if self._desk.now < self._tell_at:
            return False
        if self._alarms.in_clear(role, source):
            return True
        self._tell_at = self._desk.now + RETRY_S  # each try signs, and a recorder tries all the time
        return False

    def _is_sent(self, name: str) -> bool:
        account = self._accounts.users.get(name)
        return account is not None and account.role != VIEWER and account.set_at == self._sent[name][0]

    def _load_sent(self) -> None:
        try:
            body = self._desk.ports.store.read(SENT)
            if body is not None:
                self._sent = plain_rtsp.decode_sent(body)
        except (FormatError, Unavailable):
            pass  # it is told again when it comes again

    def operations(self, sure: "Sure", granted: "Granted") -> "dict[str, Callable[[Asked], None]]":
        """The operations by name. `sure` goes on with an administrator's name once the password was given again."""

        def answer(asked: "Asked", refusal: "Refusal | None") -> None:
            if refusal is not None:
                asked.no(refusal[0], {"detail": refusal[1][:300]})
            else:
                asked.yes(self.status())

        def open_it(asked: "Asked") -> None:
            given = asked.arguments
            sure(asked, lambda user: answer(asked, self.open(user, given["port"], given["days"])))

        def close_it(asked: "Asked") -> None:
            if granted(asked, administrator=True) is not None:
                answer(asked, self.close())

        return {"open_plain_rtsp": open_it, "close_plain_rtsp": close_it}
