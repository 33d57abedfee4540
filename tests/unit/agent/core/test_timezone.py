"""Local time by POSIX TZ strings, against the C library and the world's zones as Python knows them."""

import os
import time
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import timezone
from agent.formats import utc
from agent.formats.errors import FormatError

SOME = ("JST-9", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "EET-2EEST,M3.4.4/50,M10.4.4/50", "AAA3BBB,J60,J300", "AAA-3:30BBB,59/1:30,300/22",
        "<-1130>11:30:15", "UTC0", "CLT4CLST,M9.1.6/24,M4.1.6/24")  # fmt: skip
BAD = ("", "JST", "9", "J-9", "JST-25", "JST-9X", "JST-9 ", "Asia/Tokyo", "CET-1CEST", "CET-1CEST,M3.5.0",
       "JST-9,M3.5.0",
       "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.0.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
       "CET-1CEST,J0,J300", "CET-1CEST,J366,J300", "CET-1CEST,366,J300", "CET-1CEST,M3.5.0/168,M10.5.0", "<+9-9",
       "<>-9", "<+9>-9x", "JST-9:60", "JST-9:5:61", "JST--9", "JST-9.5", "CET-1CEST,M3.5.0,M10.5.0,J1", "J" * 65,
       "ABCDEFGHIJKLMNOPQ-9", "JST-\u0669", "JST-0009")  # fmt: skip
SECONDS = st.integers(0, utc.parse("2100-01-01T00:00:00Z"))


@pytest.fixture
def library_zone():
    """Sets the C library's zone, and puts it back."""
    before = os.environ.get("TZ")

    def put(text):
        os.environ["TZ"] = text
        time.tzset()

    yield put
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


def changes(zone, year):
    """Moments around the changes of a year, to the second."""
    begin, end = (utc.parse(f"{number}-01-01T00:00:00Z") for number in (year, year + 1))
    found = []
    for day in range(begin, end, 86400):
        if timezone.offset_s(zone, day) != timezone.offset_s(zone, day + 86400):
            found += [day + minute * 60 + second for minute in range(0, 1440, 15) for second in (-1, 0, 1)]
    return found


@pytest.mark.parametrize("text", SOME)
def test_it_agrees_with_the_c_library_over_the_years(text, library_zone):
    library_zone(text)
    zone = timezone.parse(text)
    days = range(0, utc.parse("2060-01-01T00:00:00Z"), 9 * 86400 - 3600)
    edges = [at for year in (1971, 2026, 2027, 2028, 2099) for at in changes(zone, year)]
    for at in (*days, *edges):
        assert timezone.offset_s(zone, at) == time.localtime(at).tm_gmtoff, utc.render(at)


def footers():
    """The TZ string of each of the world's zones, from the last line of its file; each string once."""
    found = {}
    for name in sorted(zoneinfo.available_timezones()):
        for folder in zoneinfo.TZPATH:
            path = Path(folder) / name
            if path.is_file():
                found.setdefault(path.read_bytes().rsplit(b"\n", 2)[-2].decode(), name)
                break
    found.pop("", None)
    return found


def test_every_zone_of_the_world_agrees_with_python():
    zones = footers()
    assert len(zones) > 60, "this machine has no time zone database"
    # Where a file lists changes by date up to 2087 (Ramadan), the string holds afterwards.
    first, last = (utc.parse(text) for text in ("2091-01-01T00:00:00Z", "2093-01-01T00:00:00Z"))
    for text, name in zones.items():
        zone, theirs = timezone.parse(text), zoneinfo.ZoneInfo(name)
        for at in range(first, last, 16 * 3600 - 1):
            expected = datetime.fromtimestamp(at, theirs).utcoffset()
            assert expected is not None
            assert timezone.offset_s(zone, at) == expected.total_seconds(), (name, text, utc.render(at))


@given(st.sampled_from(SOME), SECONDS)
def test_a_moment_is_among_those_that_its_local_time_means(text, at):
    zone = timezone.parse(text)
    assert at in timezone.moments(zone, at + timezone.offset_s(zone, at))


@given(st.sampled_from(SOME), SECONDS)
@settings(max_examples=300)
def test_every_local_time_means_a_moment(text, local_s):
    zone = timezone.parse(text)
    found = timezone.moments(zone, local_s)
    assert 1 <= len(found) <= 2
    assert list(found) == sorted(found)
    shown = [at + timezone.offset_s(zone, at) for at in found]
    # Where no clock shows it, one is put forward over it: less than a day beside it.
    assert all(one == local_s for one in shown) or (len(found) == 1 and 0 < shown[0] - local_s < 86400)


def test_summer_time_all_year_is_written_so():
    zone = timezone.parse("EST5EDT,0/0,J365/25")
    first, last = (utc.parse(year + "-06-01T00:00:00Z") for year in ("2026", "2029"))
    assert {timezone.offset_s(zone, at) for at in range(first, last, 1800)} == {-4 * 3600}


def test_an_hour_that_does_not_exist_and_one_that_is_there_twice():
    berlin = timezone.parse("CET-1CEST,M3.5.0,M10.5.0/3")
    gap, twice = utc.parse("2026-03-29T02:30:00Z"), utc.parse("2026-10-25T02:30:00Z")
    assert [utc.render(at) for at in timezone.moments(berlin, gap)] == ["2026-03-29T01:30:00Z"]
    assert timezone.render(berlin, timezone.moments(berlin, gap)[0]) == "2026-03-29 03:30"
    assert [utc.render(at) for at in timezone.moments(berlin, twice)] == [
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
    ]


def test_local_time_for_people():
    assert timezone.render(timezone.parse("JST-9"), utc.parse("2026-12-31T16:05:59Z")) == "2027-01-01 01:05"
    assert datetime.fromtimestamp(0, UTC).strftime("%Y-%m-%d %H:%M") == timezone.render(timezone.UTC, 0)


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_time_zone_is_refused(text):
    with pytest.raises(FormatError):
        timezone.parse(text)


@given(st.text(alphabet="JSTCE<>+-0123456789,./:M ", max_size=70))
@settings(max_examples=500)
def test_any_text_is_a_zone_or_refused(text):
    try:
        zone = timezone.parse(text)
    except FormatError:
        return
    assert abs(timezone.offset_s(zone, 1_800_000_000)) <= 25 * 3600
