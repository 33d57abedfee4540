"""The time floor, and when a wall clock is in doubt."""

import pytest

from agent.core import clock
from agent.core.clock import LEFT_TO_NTP_S, SAVE_STEP_S, STALE_S, Time
from agent.formats.errors import FormatError

PROVEN = 1_800_000_000


@pytest.mark.parametrize(
    ("time", "now", "floor"),
    [(Time(3, 2, 1), 3, 2), (Time(1, 3, 2), 3, 3), (Time(1, 2, 3), 3, 3), (Time(0, 0, 0), 0, 0)],
)
def test_now_is_the_latest_of_all_and_the_floor_leaves_the_wall_clock_out(time, now, floor):
    assert time.now() == now
    assert time.floor() == floor


@pytest.mark.parametrize(
    ("wall_at", "behind"),
    [(0, True), (PROVEN - LEFT_TO_NTP_S - 1, True), (PROVEN - LEFT_TO_NTP_S, False), (PROVEN, False), (2**40, False)],
)
def test_a_wall_clock_before_what_is_proven_is_behind(wall_at, behind):
    assert Time(wall_at, PROVEN, 0).behind() is behind
    assert Time(wall_at, 0, PROVEN).behind() is behind


@pytest.mark.parametrize(
    ("wall_at", "doubtful"),
    [(0, True), (PROVEN, False), (PROVEN + STALE_S, False), (PROVEN + STALE_S + 1, True), (2**40, True)],
)
def test_a_wall_clock_far_from_what_was_just_signed_is_doubtful(wall_at, doubtful):
    assert Time(wall_at, PROVEN, 0).doubtful(PROVEN) is doubtful


def test_the_floor_never_falls_by_a_proof():
    assert clock.raised(5, 4) == 5
    assert clock.raised(5, 6) == 6


def test_the_floor_is_saved_once_an_hour_of_progress():
    assert not clock.worth_saving(PROVEN, PROVEN + SAVE_STEP_S - 1)
    assert clock.worth_saving(PROVEN, PROVEN + SAVE_STEP_S)


def test_a_saved_floor_is_read_again_but_never_below_the_build():
    assert clock.parse(clock.encode(PROVEN), 0) == PROVEN
    assert clock.parse(clock.encode(PROVEN), PROVEN + 1) == PROVEN + 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"v":2,"floor_at":1}',
        b'{"v":1,"floor_at":-1}',
        b'{"v":1,"floor_at":"1"}',
        b" " * 300,
        b'{"v":1,"floor_at":5}',
        clock.encode(PROVEN).replace(b'"floor_at":1', b'"floor_at":9'),
    ],
)
def test_a_damaged_floor_is_no_floor(body):
    with pytest.raises(FormatError):
        clock.parse(body, 0)
