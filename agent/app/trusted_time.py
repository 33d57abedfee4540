"""The time by which expiry is judged, the persisted time floor, and how a wrong wall clock is put right.

The rules are `agent.core.clock` and `agent.core.receipt`. `clock/floor.json` holds the floor.
"""

from binascii import hexlify

from agent.core import backoff, clock, receipt
from agent.core.rate import Bucket
from agent.core.trust_errors import DamagedRoot
from agent.core.trust_repository import Repository
from agent.formats.errors import Busy, FormatError, Rejected, Unavailable
from agent.formats.receipt import MAX_RECEIPT_BYTES, NONCE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.formats.errors import CamwardError

    Corrected = Callable[[bool, CamwardError | None], None]

FLOOR = "clock/floor.json"
RECEIPTS = "/device/v1/time/"
MAX_WAITING = 16  # for one receipt
MOST_AWAY_S = 3600.0  # as long as our server ever says, and a share on top; a lying one might make it a day


class TrustedTime:
    """Holds the floor; the build time is its first value."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._built_at = desk.config.build_time
        self._floor_at = self._built_at
        self._waiting: "list[Corrected]" = []  # for the receipt that is on its way; empty while none is
        self._allowed = Bucket(clock.RECEIPTS_AT_ONCE, 1.0 / clock.RECEIPT_EVERY_S)
        self._not_before = desk.now  # a server that is busy has said when to come again
        self._told = 0
        self._resets = 0
        self.corrections = 0
        """How often the wall clock was found wrong and put right."""
        self._receipt_at: "float | None" = None
        self._first_at = 0  # what the first receipt of this run said
        body = desk.ports.store.read(FLOOR)
        if body is not None:
            try:
                self._floor_at = clock.parse(body, self._built_at)
            except FormatError:
                pass  # the build time is still true
        self._saved_at = self._floor_at
        self._ahead_s: "float | None" = None  # of the monotonic clock; known from the first question on
        self._unset = False  # whether the wall clock was found behind what is proven, and no receipt has come since
        self.wanted = desk.config.ws_token
        """Whether somebody needs the time proven in every boot, and not only whoever installs something."""
        self._tell_floor()

    def known(self) -> clock.Time:
        """What is known of the time, for `agent.core.trust`."""
        return clock.Time(self._desk.ports.clock.wall_s(), self._floor_at, self._built_at)

    def proven(self) -> clock.Time:
        """As `known`, without the wall clock: for what must not depend on anybody's word about the time."""
        return clock.Time(0, self._floor_at, self._built_at)

    def at_least_s(self) -> int:
        """Unix seconds that have passed for certain: the floor, and what the monotonic clock has counted since."""
        if self._ahead_s is None:
            self._ahead_s = self._floor_at - self._desk.now
        return int(self._desk.now + self._ahead_s)

    def now_s(self) -> int:
        """Unix seconds."""
        return self.known().now()

    def certain(self) -> bool:
        """Whether a receipt has said in this boot, and not long ago, what time it is; the clock has counted since."""
        return self._receipt_at is not None and self._desk.now < self._receipt_at + clock.PROOF_LASTS_S

    def certain_since_s(self) -> "int | None":
        """What the first receipt of this run said, in Unix seconds; None while the time is not certain.

        It was asked for in this run, so whatever happened in the run before was earlier, however late it came.
        """
        return self._first_at if self.certain() else None

    def doubtful(self, issued_at: int) -> bool:
        """Whether the wall clock may well be wrong, given what the director has just signed."""
        return self._unset or self.known().doubtful(issued_at)

    def vouched(self, at: int) -> None:
        """The director (or another proof) has signed that it is at least `at`."""
        if clock.raised(self._floor_at, at) == self._floor_at:
            return
        self._ahead_s = max(at, self.at_least_s()) - self._desk.now
        self._floor_at = at
        self._tell_floor()
        if clock.worth_saving(self._saved_at, at):
            try:
                self._desk.ports.store.write(FLOOR, clock.encode(at))
                self._saved_at = at
            except Unavailable:
                pass  # tried again with the next proof

    def reset(self, at: int) -> None:
        """A new director root has taken back what its timestamp key had proven: the floor falls to `at`.

        Durable when it returns.

        Raises:
            Unavailable: the storage fails; the floor stands, and the root must not be stored either.
        """
        at = max(self._built_at, at)
        self._desk.ports.store.write(FLOOR, clock.encode(at))
        self._floor_at = self._saved_at = at
        self._ahead_s = at - self._desk.now
        self._receipt_at = None  # signed by the keys that are taken back
        self._resets += 1  # and so may be the one that is on its way
        self._tell_floor()

    def put_right(self, director_root: bytes, then: "Corrected") -> None:
        """Ask the operator's server for a time receipt, and set the wall clock by it; not more often than is bearable.

        Who comes while one is on its way waits for that one.

        Args:
            director_root: the stored root, whose timestamp role signs receipts.
            then: called with whether the wall clock was wrong and is right now, and with the error if there was one
                (ClockDoubt: it was asked for too often).
        """
        desk = self._desk
        if 0 < len(self._waiting) < MAX_WAITING:
            self._waiting.append(then)
            return
        if self._waiting or not self._bearable():
            then(False, clock.ClockDoubt("a time receipt was asked for a moment ago"))
            return
        try:
            director = Repository("director", {"root": director_root}, desk.ports.verify_signature, _keep_nothing)
        except DamagedRoot as error:
            then(False, error)  # the next check finds it as well, and goes back to the first root
            return
        nonce, resets = hexlify(desk.ports.entropy.bytes(NONCE_BYTES)).decode(), self._resets

        def answered(body: "bytes | None", error: "CamwardError | None") -> None:
            waiting, self._waiting = self._waiting, []
            try:
                if error is not None:
                    raise error
                if resets != self._resets:
                    raise Unavailable("the keys have changed meanwhile")
                if body is None:
                    raise Unavailable("the server gives no time receipts")
                at = receipt.verify(body, desk.device_id, nonce, director, self._floor_at)
            except (Rejected, Unavailable) as caught:
                desk.say("camward-agent: no time receipt: " + str(caught))
                if isinstance(caught, Busy):
                    away_s = min(caught.retry_after_s, MOST_AWAY_S)
                    self._not_before = desk.now + backoff.spread_s(away_s, desk.random())
                self._tell(waiting, False, caught)
                return
            self._tell(waiting, self._correct(at), None)

        self._waiting = [then]
        desk.call("clockless", "get", (RECEIPTS + nonce, MAX_RECEIPT_BYTES), answered)

    def _bearable(self) -> bool:
        """Whether a receipt may be asked for now; if so, it is counted."""
        now = self._desk.now
        if now < self._not_before or self._allowed.wait_s(now, 1):
            return False
        self._allowed.spend(now, 1)
        return True

    def _tell(self, waiting: "list[Corrected]", corrected: bool, error: "CamwardError | None") -> None:
        """Each in a step of its own but the first: what that one begins, an erase say, may be the end of all others."""

        def hears(one: "Corrected") -> "Callable[[], None]":
            return lambda: one(corrected, error)

        for one in waiting[1:]:
            self._told += 1
            self._desk.soon("receipt " + str(self._told), hears(one))
        waiting[0](corrected, error)

    def _tell_floor(self) -> None:
        """The clock is set forward to the floor where it is behind: better, but not right yet."""
        self._unset = self._unset or self.known().behind()
        self._desk.ports.clock.set_floor_s(self._floor_at)

    def _correct(self, at: int) -> bool:
        """It is `at`, by proof. Returns whether the wall clock said something else."""
        desk = self._desk
        wall_at = desk.ports.clock.wall_s()
        if self._receipt_at is None:
            self._first_at = at
        self._receipt_at = desk.now
        self.vouched(at)
        self._unset = False
        try:
            desk.ports.clock.set_wall_s(at)
        except Unavailable as error:
            desk.say("camward-agent: the system's clock stays wrong: " + str(error))
        if not clock.differs(wall_at, at):
            return False
        self.corrections += 1
        desk.say("camward-agent: the clock was wrong by " + str(wall_at - at) + " s; set by a time receipt")
        return True


def _keep_nothing(_role: str, _body: bytes) -> None:
    """The root is stored already."""
