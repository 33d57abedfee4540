"""What time it is: what is proven, what the wall clock says, and when the two do not fit together.

The wall clock of a camera without an RTC battery is a guess, and NTP is anybody's word. So `now` is the wall clock,
but never before the time floor; and the wall clock never raises the floor. The floor is raised by proof alone: the
build time, the director's signed time, and signed receipts (`agent.core.receipt`), which also put a wrong wall clock
right.
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import fields
from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

MAX_FLOOR_BYTES = 256
SAVE_STEP_S = 3600  # the floor is written to flash at most once per hour of progress: wear against freshness
RECEIPT_EVERY_S = 600  # in one run of the agent one receipt may be asked for in this time, whatever happens
RECEIPTS_AT_ONCE = 3  # or so many, after a time without: one may get lost, and a machine may have stood still meanwhile
LEFT_TO_NTP_S = 60  # a wall clock that is wrong by less is left alone: a receipt is no better than its way is long
PROOF_LASTS_S = 86400  # a monotonic clock of 100 ppm is wrong by 9 s then
STALE_S = 86400  # an honest director's signed time is an hour old; a wall clock so far ahead of it is in doubt


class ClockDoubt(Unavailable):
    """A certificate's dates do not fit the time that this camera knows: the certificate or the wall clock is wrong."""

    code = "clock_doubt"


class Time(Value):
    """What is known of the time, each in Unix seconds: the wall clock, the time floor, the build of the software."""

    FIELDS = ("wall_at", "proven_at", "built_at")
    wall_at: int
    proven_at: int
    built_at: int

    def now(self) -> int:
        """The time to judge expiry by."""
        return max(self.wall_at, self.proven_at, self.built_at)

    def floor(self) -> int:
        """What time it is at least."""
        return max(self.proven_at, self.built_at)

    def behind(self) -> bool:
        """Whether the wall clock is certainly wrong: it says less than is proven."""
        return differs(self.wall_at, self.floor()) and self.wall_at < self.floor()

    def doubtful(self, issued_at: int) -> bool:
        """Whether the wall clock is behind, or suspiciously far ahead of what the director has just signed."""
        return self.behind() or self.wall_at > issued_at + STALE_S


def differs(one_at: int, other_at: int) -> bool:
    """Whether two clocks disagree by more than NTP is left to settle."""
    return abs(one_at - other_at) > LEFT_TO_NTP_S


def raised(floor_at: int, proven_at: int) -> int:
    """The floor after a proof that it is at least `proven_at`; it never falls."""
    return max(floor_at, proven_at)


def worth_saving(saved_at: int, floor_at: int) -> bool:
    """Whether the floor has moved far enough past the saved one to write it."""
    return floor_at >= saved_at + SAVE_STEP_S


def encode(floor_at: int) -> bytes:
    """The stored form."""
    return dump({"v": 1, "floor_at": floor_at, "check": _check(floor_at)})


def parse(body: bytes, build_at: int) -> int:
    """The stored floor, at least the build time.

    Raises:
        FormatError: the stored form is damaged; go on with the build time.
    """
    source = parse_object(body, MAX_FLOOR_BYTES)
    if fields.integer(source, "v") != 1:
        raise FormatError("time floor: unknown version")
    floor_at = fields.integer(source, "floor_at")
    if fields.text(source, "check") != _check(floor_at):
        raise FormatError("time floor: the check does not fit")
    return max(build_at, floor_at)


def _check(floor_at: int) -> str:
    """So that a digit that rots is no proof of a far future: nothing could undo that but a new director root."""
    return hexlify(sha256(str(floor_at).encode()).digest()[:8]).decode()
