"""What an update may cost on the line: bytes in a month, and bytes in a second. Pure.

Counted are the bytes of targets (trees, segments, blocks) as they arrive, without TLS and headers, which add about two
in a hundred. Metadata and messages are not counted: a camera that cannot ask for updates is not safe.
"""

from agent.formats import fields, utc
from agent.formats.errors import Rejected
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

MAX_SAVED_BYTES = 256
UNLIMITED = 0
MONTH_CHARS = 7  # YYYY-MM
BURST_S = 1.0  # what may come at once after a pause: a second's worth


class ByteBudget(Rejected):
    """The update would cost more than what is left of this month's bytes."""

    code = "byte_budget"


class FullDownload(Rejected):
    """The update cannot be had as a difference, and this camera may not fetch it whole (a metered line)."""

    code = "full_download"


class Spent(Value):
    """Bytes fetched in a calendar month (UTC): `2026-11` and how many."""

    FIELDS = ("month", "spent_bytes")
    month: str
    spent_bytes: int

    def at(self, now_s: int) -> "Spent":
        """As it counts at this time: nothing is spent of a new month. A month that lies ahead goes on counting.

        Raises:
            FormatError: the time is outside 1970 to 9999.
        """
        month = utc.render(now_s)[:MONTH_CHARS]
        return self if month <= self.month else Spent(month, 0)

    def left_bytes(self, now_s: int, max_bytes_per_month: int) -> "int | None":
        """What may still be fetched in this month; None where there is no limit."""
        if max_bytes_per_month == UNLIMITED:
            return None
        return max(0, max_bytes_per_month - self.at(now_s).spent_bytes)

    def plus(self, now_s: int, count_bytes: int) -> "Spent":
        """With so many bytes more."""
        now = self.at(now_s)
        return now.replace(spent_bytes=now.spent_bytes + count_bytes)


NOTHING = Spent("1970-01", 0)


def encode(spent: Spent) -> bytes:
    """The stored form, for `parse`."""
    return dump({"v": 1, "month": spent.month, "spent": spent.spent_bytes})


def parse(body: bytes) -> Spent:
    """Read the stored form.

    Raises:
        FormatError: it is damaged.
    """
    source = parse_object(body, MAX_SAVED_BYTES)
    fields.integer(source, "v", 1, 1)
    month = fields.text(source, "month", MONTH_CHARS)
    utc.parse_date(month + "-01")
    return Spent(month, fields.integer(source, "spent"))


class Pace:
    """Keeps the average rate: after each piece it says how long to wait."""

    def __init__(self, max_bytes_per_s: int) -> None:
        """`max_bytes_per_s`: 0 for no limit."""
        self._rate = max_bytes_per_s
        self._free_at = 0.0

    def took(self, now: float, count_bytes: int) -> float:
        """So many bytes have come by now (monotonic seconds); seconds to wait before asking for more."""
        if self._rate == UNLIMITED:
            return 0.0
        self._free_at = max(self._free_at, now - BURST_S) + count_bytes / self._rate
        return max(0.0, self._free_at - now)
