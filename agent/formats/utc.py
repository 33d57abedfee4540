"""`YYYY-MM-DDTHH:MM:SSZ` and Unix seconds, without a calendar module (MicroPython has none)."""

from agent.formats.errors import FormatError

_SHAPE = "dddd-dd-ddTdd:dd:ddZ"
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
FIRST_YEAR = 1970
LAST_YEAR = 9999


def parse(text: str) -> int:
    """Unix seconds of a UTC time, exactly in the form that TUF writes (specification, 4.2.1).

    Raises:
        FormatError: another form, or no such moment (leap seconds included).
    """
    if len(text) != len(_SHAPE) or not _fits(text):
        raise FormatError("no time as YYYY-MM-DDTHH:MM:SSZ")
    days = parse_date(text[:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    if hour > 23 or minute > 59 or second > 59:
        raise FormatError("no such time of day")
    return days * 86400 + hour * 3600 + minute * 60 + second


def parse_date(text: str) -> int:
    """Days since 1970-01-01 of a date as `YYYY-MM-DD`.

    Raises:
        FormatError: another form, or no such day.
    """
    if len(text) != 10 or not _fits(text):
        raise FormatError("no date as YYYY-MM-DD")
    year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
    if year < FIRST_YEAR or not 1 <= month <= 12 or not 1 <= day <= _days_in(year, month):
        raise FormatError("no such date")
    before = sum(_days_in(year, earlier) for earlier in range(1, month))
    return _days_before_year(year) - _days_before_year(FIRST_YEAR) + before + day - 1


def render(at: int) -> str:
    """The UTC time of Unix seconds, in the form that `parse` reads.

    Raises:
        FormatError: before 1970 or after 9999.
    """
    days, rest = divmod(at, 86400)
    year = FIRST_YEAR + days // 366
    if at < 0 or year > LAST_YEAR:
        raise FormatError("a time outside 1970 to 9999")
    while _days_before_year(year + 1) - _days_before_year(FIRST_YEAR) <= days:
        year += 1
    if year > LAST_YEAR:
        raise FormatError("a time outside 1970 to 9999")
    day = days - (_days_before_year(year) - _days_before_year(FIRST_YEAR))
    month = 1
    while day >= _days_in(year, month):
        day -= _days_in(year, month)
        month += 1
    clock = (rest // 3600, rest // 60 % 60, rest % 60)
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % ((year, month, day + 1) + clock)


def _fits(text: str) -> bool:
    """Whether the text begins like the shape: digits where it has `d`, its own characters elsewhere."""
    for index, character in enumerate(text):
        shape = _SHAPE[index]
        if not (character in "0123456789" if shape == "d" else character == shape):
            return False
    return True


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in(year: int, month: int) -> int:
    return 29 if month == 2 and _leap(year) else _MONTH_DAYS[month - 1]


def _days_before_year(year: int) -> int:
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400
