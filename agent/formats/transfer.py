"""What the `update` object of the configuration says about the line: rate, monthly bytes, and whole downloads."""

from agent.formats import fields
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALLOWED, NEVER = "allowed", "never"
MIN_BYTES_PER_S = 1024  # slower is the slow retrieval attack to any server
MIN_BYTES_PER_MONTH = 1024 * 1024  # less would not carry a block tree


class Transfer(Value):
    """The line's limits; 0 is none.

    `full_downloads` is `never` on a metered line: an update that cannot be had as a difference fails there.
    """

    FIELDS = ("max_bytes_per_s", "max_bytes_per_month", "full_downloads")
    max_bytes_per_s: int
    max_bytes_per_month: int
    full_downloads: str


def parse(update: "dict[str, Any]") -> Transfer:
    """Read the members of `update` that are about the line; each may be missing.

    Raises:
        FormatError: one is malformed.
    """
    return Transfer(
        max_bytes_per_s=_limit(update, "max_bytes_per_s", MIN_BYTES_PER_S),
        max_bytes_per_month=_limit(update, "max_bytes_per_month", MIN_BYTES_PER_MONTH),
        full_downloads=fields.choice(update, "full_downloads", (ALLOWED, NEVER))
        if "full_downloads" in update
        else ALLOWED,
    )


def _limit(update: "dict[str, Any]", name: str, least: int) -> int:
    return fields.integer(update, name, least) if name in update else 0
