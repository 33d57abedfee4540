"""Brute force: counts tries per source and per account over all paths together, and remembers across restarts."""

from agent.core import lockout
from agent.formats.errors import FormatError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.alarms import Alarms
    from agent.app.desk import Desk
    from agent.app.proving import Proving

MAX_HASHING = 8  # passwords that wait for Argon2, about a second each on a slow camera
OWN_HASHING = 2  # of these, for who has logged in from there before: strangers with ever new names keep no owner out
DOCUMENT = "credentials/lockout.json"
SAVE_EVERY_S = 5.0  # flash wear against the tries that a power cut gives back: fewer than a restart takes time for
OF_THE_CAMERA = "127."  # begins the addresses of the camera's own wrong tries (agent.app.proving)
_TIMER = "guard"


class Guard:
    """In front of every comparison of a secret. The agent's own proofs are not counted.

    Waits run on a clock of their own, which goes on from the newest time in the counters while the agent runs: the wall
    clock is anybody's word (NTP), and one step ahead would forget every failure.
    """

    def __init__(self, desk: "Desk", proving: "Proving", alarms: "Alarms") -> None:
        self._desk = desk
        self._proving = proving
        self._alarms = alarms
        self._dirty = False
        self.refused = 0
        self._lockout = lockout.Lockout()
        body = desk.ports.store.read(DOCUMENT)
        if body is not None:
            try:
                self._lockout = lockout.parse(body)
            except FormatError:
                self._lockout = lockout.lost()
        self._first_s = self._lockout.latest()
        self._started: "float | None" = None

    def wait_s(self, source: str, user: str) -> int:
        """Seconds to wait before this try; 0: go on, and the try counts as failed until `succeeded`.

        Counting first means that tries in parallel gain nothing.
        """
        if self._proving.is_own(source):
            return 0
        now = self._now_s()
        wait = self._lockout.check(source, user, now)
        if wait:
            self.refused += 1
            self._watch(source, user)
            return wait
        self._lockout.failed(source, user, now)
        if max(self._lockout.failures(source, user, now)) > lockout.FREE_TRIES:
            self._watch(source, user)
        self._save_soon()
        return 0

    def succeeded(self, source: str, user: str) -> None:
        """The secret was right."""
        if not self._proving.is_own(source):
            now = self._now_s()
            before = max(self._lockout.failures(source, user, now)) - 1  # without this try itself
            self._lockout.succeeded(source, user, now)
            self._alarms.got_in(source, user, before)
            self._save_soon()

    def places(self, source: str, user: str) -> int:
        """How many passwords may wait for their hash before this source is told to come back."""
        return MAX_HASHING if self._lockout.knows(source, user) else MAX_HASHING - OWN_HASHING

    def held(self) -> int:
        """Sources and accounts that have to wait just now."""
        return self._lockout.held(self._now_s())

    def _watch(self, source: str, user: str) -> None:
        if not source.startswith(OF_THE_CAMERA):
            self._alarms.wrong(source, user)

    def _now_s(self) -> int:
        if self._started is None:
            self._started = self._desk.now
        return self._first_s + int(self._desk.now - self._started)

    def _save_soon(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._desk.at(_TIMER, self._desk.now + SAVE_EVERY_S, self.save)

    def save(self) -> None:
        """Write the counters now, if they have changed."""
        if self._dirty:
            try:
                self._desk.ports.store.write(DOCUMENT, self._lockout.encode())
                self._dirty = False
            except Unavailable:
                self._desk.at(_TIMER, self._desk.now + SAVE_EVERY_S, self.save)
