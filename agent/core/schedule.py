"""When a camera may restart into a new system: maintenance windows, postponement, and what overrides them.

Pure: the clock and what people have asked for come in, a decision comes out. Only the restart waits (and the beginning
of a download, where the policy says so); the inactive slot may be written at any time. The first that fits decides:

1. Severity `critical`, "install now" (the operator's, signed by the director, or the owner's at the camera): go.
2. Nothing is postponed and there are no windows: go.
3. It is not proven what time it is: wait for a proof (`clock`), a day at most. After that the camera's own clock has to
   do, and after MAX_UNSURE_S there is no more waiting at all: a clock that somebody holds back, or that starts from
   nothing at every boot, must not keep a camera from its updates for ever.
4. Postponed: wait until then (`postponed`). A postponement that reaches further than any could is a clock's mistake.
5. A window is open, or there are none: go. Otherwise wait for the next one (`window`).
"""

from agent.core import timezone
from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.core.timezone import Zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SEVERITIES = ("low", "medium", "high")  # what can be postponed; critical cannot
ANY_TIME = "any_time"
WINDOW = "window"
DOWNLOADS = (ANY_TIME, WINDOW)

MAX_WINDOWS = 7  # one for each day of the week
MAX_WINDOWS_CHARS = 120  # so that a status shows all of it
DAY_MINUTES = 24 * 60
MIN_WINDOW_MINUTES = 15  # a restart, the trial boot and its health checks take some minutes on a slow camera
MIN_WEEK_MINUTES = 60  # a floor: less, and a camera that was off at that time never updates
MAX_POSTPONE_DAYS = 30  # a floor: whoever waits longer has decided against the update
POSTPONE_DAYS = {"low": 14, "medium": 7, "high": 2}  # where the manufacturer does not say

DAY_S = 86400
PATIENCE_S = DAY_S  # rule 3: a server that is down overnight is back the next day
MAX_UNSURE_S = 8 * DAY_S  # rule 3: a week has every window in it
CLOCK_LOOK_S = 600  # how often the clock is looked at while it is not proven; a receipt is not asked for more often

GO = "go"
CLOCK = "clock"
POSTPONED = "postponed"
REASONS = (WINDOW, POSTPONED, CLOCK)
"""The codes of waiting."""


class Window(Value):
    """Some days of the week (0 is Monday), and on each of them a start in local time and a length.

    It may cross midnight; then its day is the one on which it starts.
    """

    FIELDS = ("days", "start_minute", "length_minutes")
    days: "tuple[int, ...]"
    start_minute: int
    length_minutes: int


class Policy(Value):
    """What the manufacturer and the owner have set. No windows means any time; `text` is how people wrote them."""

    FIELDS = ("windows", "text", "time_zone", "postpone_days", "download")
    windows: "tuple[Window, ...]"
    text: str
    time_zone: str
    postpone_days: "dict[str, int]"
    download: str

    def zone(self) -> "Zone":
        """The time zone, parsed; it was when the policy was made."""
        return timezone.parse(self.time_zone)


class Case(Value):
    """One release that could be started now.

    `now_at` is the best that is known, `proven` whether it is by proof; `unsure_s` is how long this release has waited
    without a proof. `postponed_until_at` is 0 where nothing is postponed. `at_once`: somebody who may has said so.
    """

    FIELDS = ("now_at", "proven", "unsure_s", "severity", "at_once", "postponed_until_at")
    now_at: int
    proven: bool
    unsure_s: int
    severity: str
    at_once: bool
    postponed_until_at: int


class Decision(Value):
    """`go`, or why to wait.

    `until_at`: when it will go by itself, in Unix seconds, 0 if that is not known. `look_s`: in how many seconds to
    decide again at the latest.
    """

    FIELDS = ("code", "until_at", "look_s")
    code: str
    until_at: int
    look_s: int


_GO = Decision(GO, 0, 0)


def decide(policy: Policy, case: Case) -> Decision:
    """Whether to go or to wait, by the rules of this module."""
    if case.severity == "critical" or case.at_once:
        return _GO
    postponed = case.postponed_until_at > case.now_at
    if not policy.windows and not postponed:
        return _GO
    if not case.proven:
        if case.unsure_s >= MAX_UNSURE_S:
            return _GO
        if case.unsure_s < PATIENCE_S:
            return Decision(CLOCK, 0, min(CLOCK_LOOK_S, PATIENCE_S - case.unsure_s))
    if postponed and case.postponed_until_at <= case.now_at + limit_days(policy, case.severity) * DAY_S:
        return _wait(POSTPONED, opening(policy, case.postponed_until_at), case)
    begins_at = opening(policy, case.now_at)
    return _GO if begins_at <= case.now_at else _wait(WINDOW, begins_at, case)


def _wait(code: str, until_at: int, case: Case) -> Decision:
    look_s = until_at - case.now_at
    return Decision(code, until_at, look_s if case.proven else min(look_s, CLOCK_LOOK_S))


def opening(policy: Policy, at: int) -> int:
    """The first moment from `at` on that lies in a window; `at` itself where one is open or there are none."""
    if not policy.windows:
        return at
    zone = policy.zone()
    today = (at + timezone.offset_s(zone, at)) // DAY_S
    found: "list[int]" = []
    for day in range(today - 2, today + 9):  # a window may have begun a day ago, and zones differ by a day
        for window in policy.windows:
            if (day + 3) % 7 in window.days:  # 1970-01-01 was a Thursday
                begins_at = timezone.moments(zone, day * DAY_S + window.start_minute * 60)[0]
                if at < begins_at + window.length_minutes * 60:
                    found.append(max(at, begins_at))
    return min(found)


def limit_days(policy: Policy, severity: str) -> int:
    """How many days a release of this severity can be postponed, from when it was first started; 0 for critical."""
    return policy.postpone_days.get(severity, 0)


def latest(policy: Policy, severity: str, since_at: int) -> int:
    """Until when a release that was first started at `since_at` can be postponed."""
    return since_at + limit_days(policy, severity) * DAY_S


def parse(source: "dict[str, Any]") -> Policy:
    """The manufacturer's policy: the members `windows`, `time_zone`, `postpone_days` and `download`, all optional.

    Raises:
        FormatError: one is malformed, or goes below a floor; the message names it.
    """
    return _overlaid(Policy((), "", "UTC0", POSTPONE_DAYS, ANY_TIME), source, MAX_POSTPONE_DAYS)


def overlay(policy: Policy, source: "dict[str, Any]") -> Policy:
    """The policy with what the owner has set; members that are not there stay as they are.

    Raises:
        FormatError: a member is malformed or none of these; it goes below a floor, or allows to postpone for longer
            than the manufacturer does.
    """
    fields.only(source, ("v", "windows", "time_zone", "postpone_days"))
    return _overlaid(policy, source, None)


def _overlaid(policy: Policy, source: "dict[str, Any]", max_days: "int | None") -> Policy:
    windows, text, time_zone, download = policy.windows, policy.text, policy.time_zone, policy.download
    if "windows" in source:
        text = fields.text(source, "windows", MAX_WINDOWS_CHARS).strip().lower()
        windows = parse_windows(text)
    if "time_zone" in source:
        time_zone = fields.text(source, "time_zone", timezone.MAX_TEXT_CHARS)
        timezone.parse(time_zone)
    if "download" in source:
        download = fields.choice(source, "download", DOWNLOADS)
    days = dict(policy.postpone_days)
    if "postpone_days" in source:
        given = fields.obj(source, "postpone_days")
        fields.only(given, SEVERITIES)
        for severity in given:
            wanted, most = fields.integer(given, severity), days[severity] if max_days is None else max_days
            if wanted > most:
                raise FormatError("postpone_days: " + severity + " is more than " + str(most))
            days[severity] = wanted
    return Policy(windows, text, time_zone, days, download)


def parse_windows(text: str) -> "tuple[Window, ...]":
    """Read windows as people write them: `mon-fri 01:30-04:00; sat,sun 23:00-05:00`; `daily` for every day.

    An end that is not after the start is on the next day. An empty text means no windows: any time.

    Raises:
        FormatError: it is not of this form, or a window, or all of them in a week, are shorter than the floor.
    """
    if len(text) > MAX_WINDOWS_CHARS:
        raise FormatError("windows: more than " + str(MAX_WINDOWS_CHARS) + " characters")
    if not text.strip():
        return ()
    windows = tuple(_window(part.strip().lower()) for part in text.split(";"))
    if len(windows) > MAX_WINDOWS:
        raise FormatError("windows: more than " + str(MAX_WINDOWS))
    if sum(len(window.days) * window.length_minutes for window in windows) < MIN_WEEK_MINUTES:
        raise FormatError("windows: less than " + str(MIN_WEEK_MINUTES) + " minutes in a week")
    return windows


def _window(text: str) -> Window:
    parts = text.split()
    if len(parts) != 2 or len(parts[1]) != 11 or parts[1][5] != "-":
        raise FormatError("windows: not of the form `mon-fri 01:30-04:00`")
    start, end = _minute(parts[1][:5]), _minute(parts[1][6:])
    length = (end - start) % DAY_MINUTES or DAY_MINUTES
    if length < MIN_WINDOW_MINUTES:
        raise FormatError("windows: one is shorter than " + str(MIN_WINDOW_MINUTES) + " minutes")
    return Window(_days(parts[0]), start, length)


def _days(text: str) -> "tuple[int, ...]":
    if text == "daily":
        return tuple(range(7))
    found: "set[int]" = set()
    for part in text.split(","):
        ends = [DAYS.index(name) if name in DAYS else -1 for name in part.split("-")]
        if -1 in ends or len(ends) > 2:
            raise FormatError("windows: days are " + ", ".join(DAYS) + " or daily")
        # From Saturday to Monday is three days.
        found.update((ends[0] + step) % 7 for step in range((ends[-1] - ends[0]) % 7 + 1))
    return tuple(sorted(found))


def _minute(text: str) -> int:
    digits = text[:2] + text[3:]
    if text[2] != ":" or any(character not in "0123456789" for character in digits):
        raise FormatError("windows: times are HH:MM")
    hour, minute = int(text[:2]), int(text[3:])
    if hour > 23 or minute > 59:
        raise FormatError("windows: no such time of day")
    return hour * 60 + minute
