"""When a camera may restart: each rule alone, and what no combination may do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import schedule, timezone
from agent.core.schedule import CLOCK, GO, POSTPONED, WINDOW, Case
from agent.formats import utc
from agent.formats.errors import FormatError

HOUR_S, DAY_S = 3600, 86400
ANY = schedule.parse({})
TOKYO = schedule.parse({"windows": "mon-fri 01:30-04:00; sat,sun 23:00-05:00", "time_zone": "JST-9"})


def at(text):
    """Local time in Tokyo, in Unix seconds."""
    return utc.parse(text + ":00Z") - 9 * HOUR_S


def case(now, **changes):
    return Case(now, True, 0, "medium", False, 0).replace(**changes)


def decide(policy, **changes):
    return schedule.decide(policy, case(changes.pop("now", at("2026-11-25T12:00")), **changes))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-25T01:29", "2026-11-25T01:30"),  # a Wednesday
        ("2026-11-25T01:30", None),
        ("2026-11-25T03:59", None),
        ("2026-11-25T04:00", "2026-11-26T01:30"),
        ("2026-11-27T12:00", "2026-11-28T23:00"),  # Friday noon: Saturday night
        ("2026-11-28T22:59", "2026-11-28T23:00"),
        ("2026-11-29T04:59", None),  # Sunday morning: Saturday's window
        ("2026-11-29T05:00", "2026-11-29T23:00"),
        ("2026-11-30T01:45", None),  # Monday: two are open
        ("2026-11-30T04:30", None),  # Sunday's is, still
        ("2026-11-30T05:00", "2026-12-01T01:30"),
    ],
)
def test_a_window_is_open_or_the_next_one_is_waited_for(now, until):
    found = decide(TOKYO, now=at(now))
    if until is None:
        assert found.code == GO
    else:
        assert (found.code, found.until_at) == (WINDOW, at(until))
        assert found.look_s == at(until) - at(now)


def test_without_windows_any_time_will_do():
    assert decide(ANY).code == GO
    assert decide(ANY, proven=False).code == GO


def test_critical_and_now_wait_for_nothing():
    later = at("2026-11-26T12:00")
    assert decide(TOKYO).code == WINDOW
    for changes in ({"severity": "critical"}, {"at_once": True}):
        assert decide(TOKYO, postponed_until_at=later, proven=False, **changes).code == GO


def test_postponed_is_until_the_window_after_that():
    found = decide(TOKYO, postponed_until_at=at("2026-11-26T12:00"))
    assert (found.code, found.until_at) == (POSTPONED, at("2026-11-27T01:30"))
    found = decide(ANY, postponed_until_at=at("2026-11-26T12:00"))
    assert (found.code, found.until_at) == (POSTPONED, at("2026-11-26T12:00"))
    assert decide(ANY, postponed_until_at=at("2026-11-25T12:00")).code == GO
    assert decide(TOKYO, postponed_until_at=at("2026-11-25T12:00")).code == WINDOW


def test_a_postponement_beyond_the_limit_is_a_clocks_mistake():
    """It was set while the clock said something later; nobody can postpone for so long."""
    for severity, days in (("low", 14), ("medium", 7), ("high", 2)):
        beyond = at("2026-11-25T12:00") + days * DAY_S + 1
        assert decide(ANY, severity=severity, postponed_until_at=beyond).code == GO
        assert decide(ANY, severity=severity, postponed_until_at=beyond - 1).code == POSTPONED
    assert schedule.latest(ANY, "high", 1000) == 1000 + 2 * DAY_S
    assert schedule.limit_days(ANY, "critical") == 0


def test_an_unproven_clock_is_waited_for_a_day_and_then_has_to_do():
    found = decide(TOKYO, proven=False)
    assert (found.code, found.until_at) == (CLOCK, 0)
    assert 0 < found.look_s <= schedule.CLOCK_LOOK_S
    assert decide(TOKYO, proven=False, now=at("2026-11-25T02:00")).code == CLOCK, "it may be noon in truth"
    found = decide(TOKYO, proven=False, unsure_s=schedule.PATIENCE_S)
    assert (found.code, found.until_at) == (WINDOW, at("2026-11-26T01:30"))
    assert found.look_s <= schedule.CLOCK_LOOK_S, "it may be put right at any moment"
    assert decide(TOKYO, proven=False, unsure_s=schedule.PATIENCE_S, now=at("2026-11-25T02:00")).code == GO
    assert decide(TOKYO, proven=False, unsure_s=schedule.MAX_UNSURE_S).code == GO
    postponed = at("2026-11-26T12:00")
    assert decide(ANY, proven=False, postponed_until_at=postponed).code == CLOCK
    assert decide(ANY, proven=False, unsure_s=schedule.MAX_UNSURE_S, postponed_until_at=postponed).code == GO


def test_windows_by_the_clocks_of_a_zone_with_summer_time():
    berlin = schedule.parse({"windows": "sun 02:15-03:15", "time_zone": "CET-1CEST,M3.5.0,M10.5.0/3"})
    # The hour is left out in March: the window begins where it would have, at what clocks call 03:15.
    assert schedule.opening(berlin, utc.parse("2026-03-28T12:00:00Z")) == utc.parse("2026-03-29T01:15:00Z")
    # It is there twice in October: the first one counts, and lasts an hour.
    assert schedule.opening(berlin, utc.parse("2026-10-24T12:00:00Z")) == utc.parse("2026-10-25T00:15:00Z")
    assert schedule.opening(berlin, utc.parse("2026-10-25T01:15:00Z")) == utc.parse("2026-11-01T01:15:00Z")


TIMES = st.integers(utc.parse("2026-01-01T00:00:00Z"), utc.parse("2031-01-01T00:00:00Z"))
ZONES = st.sampled_from(("JST-9", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+13>-13", "<-11>11"))


@st.composite
def policies(draw):
    days = draw(st.sampled_from(("daily", "mon", "sat-sun", "mon,wed,fri", "fri-mon")))
    start, length = draw(st.integers(0, 1439)), draw(st.integers(60, 1440))
    end = (start + length) % 1440
    text = f"{days} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    return schedule.parse({"windows": text, "time_zone": draw(ZONES)})


def brute_force(policy, now):
    """Whether a window is open, found minute by minute of local days, by another way than the module's."""
    zone = policy.zone()
    for window in policy.windows:
        for minute in range(window.length_minutes):
            start = now // 60 * 60 - minute * 60
            local = utc.render(start + timezone.offset_s(zone, start))
            day = (start + timezone.offset_s(zone, start)) // DAY_S
            if int(local[11:13]) * 60 + int(local[14:16]) == window.start_minute and (day + 3) % 7 in window.days:
                return True
    return False


@given(policies(), TIMES)
@settings(max_examples=150, deadline=None)
def test_it_never_waits_longer_than_a_week_and_then_may_go(policy, now):
    found = schedule.decide(policy, case(now))
    if found.code == GO:
        return
    assert now < found.until_at <= now + 8 * DAY_S
    assert schedule.decide(policy, case(found.until_at)).code == GO
    assert schedule.decide(policy, case(found.until_at - 1)).code == WINDOW


@given(policies(), TIMES)
@settings(max_examples=60, deadline=None)
def test_open_is_what_counting_minutes_says(policy, now):
    local = now + timezone.offset_s(policy.zone(), now)
    near = [timezone.offset_s(policy.zone(), now + hours * HOUR_S) for hours in (-26, -3, 0, 3)]
    if len(set(near)) > 1 or local < 0:
        return  # around a change of the clocks, the two ways of counting differ on purpose
    assert (schedule.decide(policy, case(now)).code == GO) == brute_force(policy, now)


@given(policies(), TIMES, st.integers(0, 30 * DAY_S), st.sampled_from(schedule.SEVERITIES), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_is_postponed_ends(policy, now, postponed_s, severity, proven):
    found = schedule.decide(policy, case(now, severity=severity, postponed_until_at=now + postponed_s, proven=proven))
    limit_s = schedule.limit_days(policy, severity) * DAY_S
    assert found.until_at <= now + limit_s + 8 * DAY_S
    assert found.code == GO or 0 < found.look_s <= limit_s + 8 * DAY_S


@pytest.mark.parametrize(
    "text",
    ["mon 01:30", "01:30-04:00", "mon 1:30-4:00", "mon 25:00-26:00", "mon 01:60-03:00", "moon 01:30-04:00",
     "mon- 01:30-04:00", "mon-tue-wed 01:30-04:00", "mon 01:30-04:00;", "mon 01:30 - 04:00", "mon 01:30-01:44",
     "mon 01:30-02:15", "daily 01:00-01:05", "mon 0\u0661:30-04:00", "; ".join(["mon 01:30-04:00"] * 8), "m" * 121],
)  # fmt: skip
def test_what_is_no_window_or_too_little_of_one_is_refused(text):
    with pytest.raises(FormatError, match="windows"):
        schedule.parse_windows(text)


def test_days_as_people_write_them():
    def days(text):
        return schedule.parse_windows(text + " 01:00-03:00")[0].days

    assert days("daily") == (0, 1, 2, 3, 4, 5, 6)
    assert days("Mon-Fri") == (0, 1, 2, 3, 4)
    assert days("sat-mon") == (0, 5, 6)
    assert days("wed,mon") == (0, 2)
    assert schedule.parse_windows("daily 00:00-00:00")[0].length_minutes == 1440
    assert schedule.parse_windows("  ") == ()


def test_the_manufacturers_floors():
    for wrong in (
        {"windows": "mon 01:00-01:30"}, {"time_zone": "Tokyo"}, {"postpone_days": {"high": 31}},
        {"postpone_days": {"critical": 1}}, {"postpone_days": {"low": -1}}, {"download": "never"}, {"windows": 1},
    ):  # fmt: skip
        with pytest.raises(FormatError):
            schedule.parse(wrong)
    assert schedule.parse({"postpone_days": {"high": 30}}).postpone_days == {"low": 14, "medium": 7, "high": 30}


def test_an_owner_changes_windows_and_shortens_what_can_be_postponed():
    mine = {"v": 1, "windows": "sun 03:00-05:00", "time_zone": "CET-1", "postpone_days": {"low": 3, "high": 0}}
    found = schedule.overlay(TOKYO, mine)
    assert (found.text, found.time_zone) == ("sun 03:00-05:00", "CET-1")
    assert found.postpone_days == {"low": 3, "medium": 7, "high": 0}
    assert schedule.overlay(TOKYO, {}) == TOKYO


@pytest.mark.parametrize(
    "wrong",
    [{"postpone_days": {"low": 15}}, {"windows": "sun 03:00-03:30"}, {"download": "any_time"}, {"other": 1},
     {"time_zone": ""}],
)  # fmt: skip
def test_no_owner_goes_below_a_floor(wrong):
    with pytest.raises(FormatError):
        schedule.overlay(TOKYO, wrong)
