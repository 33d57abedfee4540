"""Local time by a POSIX TZ string (POSIX.1-2017, 8.3; RFC 8536, 3.3.1): `JST-9`, `CET-1CEST,M3.5.0,M10.5.0/3`.

A camera has no time zone database, and a string of this kind is what such a database says about the future: the last
line of each of its files. Pure. Offsets are counted eastwards here, as people do; the string counts them westwards.
"""

from agent.formats import utc
from agent.formats.errors import FormatError
from agent.formats.value import Value

MAX_TEXT_CHARS = 64  # the longest of the world's zones has 44
MAX_NAME_CHARS = 16
MIN_NAME_CHARS = 3  # POSIX
MAX_OFFSET_HOURS = 24  # POSIX
MAX_RULE_HOURS = 167  # RFC 8536: a change may be put up to a week beside the day that it is counted from
DAY_S = 86400
HOUR_S = 3600
_YEAR_S = 31556952  # on average over the 400 years after which the calendar repeats
SUMMER_S = HOUR_S  # POSIX: how much is put forward where the string does not say
_CUMULATED = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # days before each month of a common year
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"


class Rule(Value):
    """When the clocks change each year, by the local time before the change.

    `kind` is `M` (month, week 1 to 5 for the last, day 0 for Sunday), `J` (day 1 to 365, February 29 never counted), or
    empty (day 0 to 365, February 29 counted); `numbers` are that kind's; `time_s` counts from that day's midnight.
    """

    FIELDS = ("kind", "numbers", "time_s")
    kind: str
    numbers: "tuple[int, ...]"
    time_s: int


class Zone(Value):
    """A time zone: seconds to add to UTC, in summer as well where clocks change (`starts` and `ends` are None else)."""

    FIELDS = ("name", "standard_s", "summer_name", "summer_s", "starts", "ends")
    name: str
    standard_s: int
    summer_name: str
    summer_s: int
    starts: "Rule | None"
    ends: "Rule | None"


UTC = Zone("UTC", 0, "", 0, None, None)


class _Reader:
    """A text read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def ended(self) -> bool:
        return self.at >= len(self.text)

    def take(self, character: str) -> bool:
        """Go past this character, if it comes next."""
        if not self.ended() and self.text[self.at] == character:
            self.at += 1
            return True
        return False

    def need(self, character: str) -> None:
        if not self.take(character):
            raise FormatError("time zone: " + character + " is missing")

    def run(self, characters: str) -> str:
        begin = self.at
        while not self.ended() and self.text[self.at] in characters:
            self.at += 1
        return self.text[begin : self.at]

    def number(self, low: int, high: int) -> int:
        digits = self.run(_DIGITS)
        if not 1 <= len(digits) <= 3 or not low <= int(digits) <= high:
            raise FormatError("time zone: no number within " + str(low) + ".." + str(high))
        return int(digits)

    def name(self) -> str:
        if self.take("<"):
            found = self.run(_LETTERS + _DIGITS + "+-")
            self.need(">")
        else:
            found = self.run(_LETTERS)
        if not MIN_NAME_CHARS <= len(found) <= MAX_NAME_CHARS:
            raise FormatError("time zone: a name has three letters or more")
        return found

    def time(self, max_hours: int) -> int:
        """`[+-]hh[:mm[:ss]]` in seconds."""
        sign = -1 if self.take("-") else 1
        if sign > 0:
            self.take("+")
        found = self.number(0, max_hours) * HOUR_S
        for unit_s in (60, 1):
            if not self.take(":"):
                break
            found += self.number(0, 59) * unit_s
        return sign * found

    def rule(self) -> Rule:
        self.need(",")
        kind = ""
        numbers: "tuple[int, ...]" = ()
        if self.take("M"):
            month = self.number(1, 12)
            self.need(".")
            week = self.number(1, 5)
            self.need(".")
            kind, numbers = "M", (month, week, self.number(0, 6))
        elif self.take("J"):
            kind, numbers = "J", (self.number(1, 365),)
        else:
            numbers = (self.number(0, 365),)
        return Rule(kind, numbers, self.time(MAX_RULE_HOURS) if self.take("/") else 2 * HOUR_S)


def parse(text: str) -> Zone:
    """Read a TZ string.

    A zone with summer time must say when the clocks change: POSIX leaves open what it means if not.

    Raises:
        FormatError: it is none. (Names of cities are none: those need a database.)
    """
    if len(text) > MAX_TEXT_CHARS:
        raise FormatError("time zone: more than " + str(MAX_TEXT_CHARS) + " characters")
    reader = _Reader(text)
    name, standard_s = reader.name(), -reader.time(MAX_OFFSET_HOURS)
    if reader.ended():
        return Zone(name, standard_s, "", standard_s, None, None)
    summer_name, summer_s = reader.name(), standard_s + SUMMER_S
    if not reader.ended() and reader.text[reader.at] != ",":
        summer_s = -reader.time(MAX_OFFSET_HOURS)
    zone = Zone(name, standard_s, summer_name, summer_s, reader.rule(), reader.rule())
    if not reader.ended():
        raise FormatError("time zone: something follows its end")
    return zone


def offset_s(zone: Zone, at: int) -> int:
    """What to add to Unix seconds `at` for the local time then.

    Args:
        zone: where.
        at: from 1970 on.
    """
    return zone.summer_s if _summer(zone, at) else zone.standard_s


def moments(zone: Zone, local_s: int) -> "tuple[int, ...]":
    """The Unix seconds at which the clocks show `local_s` (counted as if it were UTC), in order.

    Two where clocks are put back over it. Where they are put forward over it, none shows it: then the one moment that
    it would be without the change.
    """
    found = [local_s - zone.summer_s, local_s - zone.standard_s]
    shown = sorted({at for at in found if offset_s(zone, at) == local_s - at})
    return tuple(shown) if shown else (local_s - min(zone.standard_s, zone.summer_s),)


def render(zone: Zone, at: int) -> str:
    """The local time as `YYYY-MM-DD HH:MM`.

    Raises:
        FormatError: before 1970 or after 9999.
    """
    return utc.render(at + offset_s(zone, at))[:16].replace("T", " ")


def _summer(zone: Zone, at: int) -> bool:
    if zone.starts is None or zone.ends is None:
        return False
    year = 1970 + at // _YEAR_S  # right, or one beside it
    last: "int | None" = None
    summer = False
    for near in (year - 2, year - 1, year, year + 1):
        # An end that falls together with the next start ends nothing: summer time all year is written so.
        for begins, rule, before_s in ((False, zone.ends, zone.summer_s), (True, zone.starts, zone.standard_s)):
            changed = _midnight_s(rule, near) + rule.time_s - before_s
            if changed <= at and (last is None or changed >= last):
                last, summer = changed, begins
    return summer


def _midnight_s(rule: Rule, year: int) -> int:
    """The beginning of the day that the rule counts from, as if local time were UTC."""
    leap = 1 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 0
    past = year - 1
    first = 365 * (year - 1970) + (past // 4 - past // 100 + past // 400) - 477  # days from 1970-01-01 to January 1
    if rule.kind == "":
        return (first + rule.numbers[0]) * DAY_S
    if rule.kind == "J":
        day = rule.numbers[0] - 1
        return (first + day + (leap if day >= _CUMULATED[2] else 0)) * DAY_S
    month, week, weekday = rule.numbers
    begin = first + _CUMULATED[month - 1] + (leap if month > 2 else 0)
    length = (_CUMULATED[month] if month < 12 else 365) - _CUMULATED[month - 1] + (leap if month == 2 else 0)
    day = (weekday - (begin + 4)) % 7 + 7 * (week - 1)  # 1970-01-01 was a Thursday: day 4 of a week from Sunday
    return (begin + (day if day < length else day - 7)) * DAY_S
