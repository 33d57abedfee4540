"""Tells the server of guessing at this camera's passwords: watches agent.app.guard, and speaks through the outbox."""

from agent.app.claiming import CLAIM_ACCOUNT
from agent.core.attack import Attack
from agent.core.lockout import source_key
from agent.formats import alarm
from agent.formats.errors import FormatError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.accounts import Accounts
    from agent.app.desk import Desk
    from agent.app.reporting import Reporting
    from agent.app.trusted_time import TrustedTime
    from agent.formats.alarm import Alarm

DOCUMENT = "credentials/attack.json"
_TIMER = "alarms"


class Alarms:
    """One attack at a time, whatever it is made of. It is written when something is told, so seldom."""

    def __init__(self, desk: "Desk", time: "TrustedTime", accounts: "Accounts", reporting: "Reporting") -> None:
        self._desk = desk
        self._time = time
        self._accounts = accounts
        self._reporting = reporting
        self._attack = Attack()

    def start(self) -> None:
        """Go on with the attack that the run before has seen, so that its end is told."""
        try:
            kept = self._desk.ports.store.read(DOCUMENT)
            if kept:
                self._attack.resume(kept, self._desk.now)
        except (FormatError, Unavailable):
            pass  # another alarm comes if it goes on
        self._wake()

    def wrong(self, source: str, user: str) -> None:
        """A try beyond the free ones was wrong, or was refused unseen."""
        self._tell(self._attack.wrong(source_key(source), self._target(user), self._desk.now, self._time.now_s()))

    def got_in(self, source: str, user: str, wrong: int) -> None:
        """A secret was right, after so many wrong ones."""
        target, now = self._target(user), self._desk.now
        self._tell(self._attack.got_in(source_key(source), target, wrong, now, self._time.now_s()))

    def in_clear(self, role: str, source: str) -> bool:
        """A right password came without encryption; false if a server is to be told and could not be.

        Whoever calls this bounds how often.
        """
        told = alarm.in_clear(role, source_key(source))
        return not self._reporting.has_server() or self._reporting.queue("alarm", told)

    def _target(self, user: str) -> str:
        account = self._accounts.users.get(user)
        if account is not None:
            return account.role
        return alarm.CLAIM if user == CLAIM_ACCOUNT else alarm.NOBODY

    def _look(self) -> None:
        told = self._attack.due(self._desk.now)
        self._tell(told)
        if told is None:
            self._wake()

    def _tell(self, found: "Alarm | None") -> None:
        if found is None:
            return
        self._desk.say("camward-agent: guessing at passwords: " + found.event)
        if self._reporting.has_server():
            self._reporting.queue("alarm", alarm.body(found))
        kept = self._attack.encode()
        try:
            if kept:
                self._desk.ports.store.write(DOCUMENT, kept)
            else:
                self._desk.ports.store.delete(DOCUMENT)
        except Unavailable:
            pass  # the attack is known in memory
        self._wake()

    def _wake(self) -> None:
        at = self._attack.wake_at()
        if at is not None:
            self._desk.at(_TIMER, at, self._look)
