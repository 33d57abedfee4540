"""The time floor: what time it is at least. Raised only by proof (build time, the director's signed time, signed
receipts).

The wall clock of a camera without an RTC battery is a guess, and NTP is anybody's word. So `now` is the wall clock,
but never before the floor; and the wall clock never raises the floor.
"""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object

MAX_FLOOR_BYTES = 256
SAVE_STEP_S = 3600  # the floor is written to flash at most once per hour of progress: wear against freshness


def effective_now(wall_at: int, floor_at: int) -> int:
    """The time to judge expiry by, in Unix seconds."""
    return max(wall_at, floor_at)


def raised(floor_at: int, proven_at: int) -> int:
    """The floor after a proof that it is at least `proven_at`; it never falls."""
    return max(floor_at, proven_at)


def worth_saving(saved_at: int, floor_at: int) -> bool:
    """Whether the floor has moved far enough past the saved one to write it."""
    return floor_at >= saved_at + SAVE_STEP_S


def encode(floor_at: int) -> bytes:
    """The stored form."""
    return dump({"v": 1, "floor_at": floor_at})


def parse(body: bytes, build_at: int) -> int:
    """The stored floor, at least the build time.

    Raises:
        FormatError: the stored form is damaged; go on with the build time.
    """
    source = parse_object(body, MAX_FLOOR_BYTES)
    if fields.integer(source, "v") != 1:
        raise FormatError("time floor: unknown version")
    return max(build_at, fields.integer(source, "floor_at"))
