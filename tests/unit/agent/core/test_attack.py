"""When an attack on passwords is told, and that nobody can flood the server with alarms."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import attack
from agent.core.attack import Attack
from agent.formats import alarm
from agent.formats.errors import FormatError

WALL = 1_800_000_000
DAY_S = 86_400


def guess(state, count, source="203.0.113.5", target="administrator", now=0.0):
    """So many wrong tries at once; what is told."""
    told = [state.wrong(source, target, now, WALL) for _ in range(count)]
    return [one for one in told if one is not None]


def run(state, begin, end):
    """Let time pass; (when, event) of what is told."""
    told, now = [], begin
    while (at := state.wake_at()) is not None and at <= end:
        now = max(now, at)
        if (one := state.due(now)) is not None:
            told.append((now - begin, one.event))
    return told


def test_it_begins_with_the_twentieth_wrong_try_and_says_from_where_and_at_whom():
    state = Attack()
    guess(state, 1, "192.0.2.9", "viewer")
    assert guess(state, attack.START_TRIES - 2) == []
    assert guess(state, 1) == [alarm.Alarm("started", WALL, 20, 2, "203.0.113.5", "administrator")]
    assert guess(state, 1000) == []


def test_it_goes_on_at_growing_intervals_with_counts_and_ends_after_an_hour_of_quiet():
    state, told = Attack(), []
    for now in range(0, DAY_S, 30):
        told += [(now, one) for one in guess(state, 1, now=now)]
        told += [(now, one) for one in [state.due(now)] if one]
    assert [one.event for _, one in told] == ["started"] + ["continues"] * 7
    times = [at for at, _ in told]
    assert [b - a for a, b in itertools.pairwise(times)] == [600 * 2**n for n in range(7)]
    assert [one.wrong for _, one in told] == sorted({one.wrong for _, one in told})
    assert run(state, DAY_S - 30, 3 * DAY_S)[-1] == (3600, "ended")
    assert state.wake_at() is None


def test_many_sources_are_told_once():
    state = Attack()
    told = [one for number in range(500) for one in guess(state, 3, f"10.0.{number >> 8}.{number & 255}")]
    assert [(one.event, one.sources) for one in told] == [("started", 7), ("distributed", attack.MANY_SOURCES)]
    assert state.due(attack.FIRST_AGAIN_S).sources == alarm.MAX_SOURCES
    assert len(state._sources) <= alarm.MAX_SOURCES


def test_people_who_mistype_are_no_attack():
    state = Attack()
    assert [one for hour in range(100) for one in guess(state, 19, now=hour * 3600.0)] == []
    assert state.wake_at() is None


def test_a_login_after_many_wrong_tries_is_told_and_one_after_few_is_not():
    state = Attack()
    assert state.got_in("192.0.2.9", "viewer", attack.LOGIN_AFTER - 1, 0, WALL) is None
    told = state.got_in("192.0.2.9", "viewer", attack.LOGIN_AFTER, 0, WALL)
    assert told == alarm.Alarm("login", WALL, 10, 1, "192.0.2.9", "viewer")
    assert [state.got_in("192.0.2.9", "viewer", 99, 1, WALL) for _ in range(9)].count(None) == 9 - 3
    assert state.got_in("192.0.2.9", "viewer", 99, attack.QUIET_S + 1, WALL)


@pytest.mark.parametrize("pause_s", [30, 3599, 3601, 4000])
def test_nobody_makes_a_camera_tell_more_than_so_much_in_a_day(pause_s):
    """Bursts of guesses from many sources with a login each, and a pause that lets the attack end or not."""
    state, count, now = Attack(), 0, 0.0
    while now < DAY_S:
        for number in range(50):
            count += len(guess(state, 1, f"10.0.0.{number}", now=now))
            count += state.got_in("10.0.0.1", "viewer", 99, now, WALL) is not None
        count += len(run(state, now, now + pause_s))
        now += pause_s
    assert 0 < count <= attack.MAX_ALARMS_PER_DAY


def test_it_goes_on_after_a_restart_and_is_not_begun_twice():
    state = Attack()
    for number in range(12):
        guess(state, 3, f"10.0.0.{number}", now=5.0)
    again = Attack()
    again.resume(state.encode(), 100.0)
    assert again.encode() == state.encode()
    assert guess(again, 5, now=101.0) == []
    assert run(again, 101.0, 9000.0) == [(599.0, "continues"), (3600.0, "ended")]
    assert again.encode() == b""


def test_no_attack_leaves_nothing_to_keep():
    state = Attack()
    guess(state, 5)
    assert state.encode() == b""
    assert state.due(0.0) is None


@given(st.binary(max_size=60))
def test_damaged_state_raises_format_errors_only(body):
    with pytest.raises(FormatError):
        Attack().resume(body, 0.0)


def test_a_body_holds_no_more_than_it_says_and_no_control_characters():
    body = alarm.body(alarm.Alarm("started", WALL, 20, 1, "\x1b]0;" + "ü" * 90, ""))
    assert body["source"] == ("?]0;" + "?" * 60)
    assert alarm.parse(body).source == body["source"]
    assert sorted(body) == ["event", "kind", "since_at", "source", "sources", "target", "wrong"]
