"""The port Clock, over the Linux adapter on a system whose clock is ours to set, and over the simulated world's."""

import pytest

from agent.adapters.linux.dates import ALWAYS, Dates
from agent.adapters.linux.machine import SystemClock
from agent.core.clock import LEFT_TO_NTP_S
from agent.formats.errors import Unavailable
from firmware_sim.world.machine import WorldClock

NOW = 1_800_000_000
BUILT = NOW - 400 * 86400


class System:
    """What `time` offers, without a machine behind it."""

    CLOCK_REALTIME = 0
    CLOCK_BOOTTIME = 7

    def __init__(self):
        self.true_s, self.skew_s, self.settable = float(NOW), 0, True

    def time(self):
        return self.true_s + self.skew_s

    def clock_gettime(self, clk_id, /):
        assert clk_id == self.CLOCK_BOOTTIME, "the others stand still while a camera is suspended"
        return self.true_s - NOW

    def clock_settime(self, clk_id, time, /):
        if not self.settable:
            raise PermissionError(1, "Operation not permitted")
        assert clk_id == self.CLOCK_REALTIME
        self.skew_s = round(time - self.true_s)

    def pass_time(self, seconds):
        self.true_s += seconds


class Linux:
    def __init__(self):
        self.system = System()
        self.clock = SystemClock(BUILT, self.system)

    def move(self, skew_s):
        self.system.skew_s = skew_s

    def skew_s(self):
        return self.system.skew_s

    def forbid(self):
        self.system.settable = False

    def pass_time(self, seconds):
        self.system.pass_time(seconds)


class World:
    def __init__(self):
        self.clock = WorldClock(NOW)
        self.clock.power_on()

    def move(self, skew_s):
        self.clock.skew_s = skew_s

    def skew_s(self):
        return self.clock.skew_s

    def forbid(self):
        self.clock.settable = False

    def pass_time(self, seconds):
        self.clock.advance(seconds)


@pytest.fixture(params=[Linux, World])
def machine(request):
    return request.param()


def test_the_wall_clock_is_the_systems_until_it_is_set(machine):
    for skew in (0, -1000, 5_000_000):
        machine.move(skew)
        assert machine.clock.wall_s() == NOW + skew


def test_a_clock_that_was_set_by_proof_listens_to_nobody_else(machine):
    machine.move(5_000_000)
    machine.clock.set_wall_s(NOW)
    assert machine.skew_s() == 0
    machine.move(-70_000)
    machine.pass_time(100)
    assert machine.clock.wall_s() == NOW + 100
    machine.clock.set_wall_s(NOW + 50)  # a later proof may correct it either way
    assert machine.clock.wall_s() == NOW + 50


def test_a_system_that_cannot_be_set_is_told_of_and_left_behind(machine):
    machine.move(5_000_000)
    machine.forbid()
    with pytest.raises(Unavailable):
        machine.clock.set_wall_s(NOW)
    machine.pass_time(7)
    assert machine.clock.wall_s() == NOW + 7
    assert machine.skew_s() == 5_000_000


@pytest.mark.parametrize("skew", [0, LEFT_TO_NTP_S, -LEFT_TO_NTP_S])
def test_what_is_left_to_ntp_is_not_set(machine, skew):
    machine.move(skew)
    machine.forbid()
    machine.clock.set_wall_s(NOW)
    assert (machine.clock.wall_s(), machine.skew_s()) == (NOW, skew)


def test_a_system_behind_the_floor_is_set_forward_and_no_other(machine):
    machine.clock.set_floor_s(NOW + LEFT_TO_NTP_S)
    assert machine.skew_s() == 0
    machine.clock.set_floor_s(NOW + 1000)
    assert (machine.skew_s(), machine.clock.wall_s()) == (1000, NOW + 1000)
    machine.clock.set_floor_s(NOW - 1000)
    assert machine.skew_s() == 1000


def test_where_the_system_cannot_be_set_the_floor_says_nothing(machine):
    machine.forbid()
    machine.clock.set_floor_s(NOW + 1000)
    assert (machine.skew_s(), machine.clock.wall_s()) == (0, NOW)


def test_certificates_are_judged_by_the_later_of_clock_and_floor():
    machine = Linux()
    machine.forbid()
    assert machine.clock.dates() == Dates(NOW, NOW)
    machine.clock.set_floor_s(NOW + 1000)
    assert machine.clock.dates() == Dates(NOW + 1000, NOW + 1000)
    machine.move(5000)
    assert machine.clock.dates() == Dates(NOW + 5000, NOW + 5000)
    with pytest.raises(Unavailable):
        machine.clock.set_wall_s(NOW + 2000)
    assert machine.clock.dates() == Dates(NOW + 2000, NOW + 2000)
    machine.clock.set_floor_s(BUILT)
    assert machine.clock.dates() == Dates(NOW + 2000, NOW + 2000)


def test_without_a_clock_they_are_judged_by_the_build_alone():
    machine = Linux()
    for floor in (0, BUILT, NOW + 5_000_000):
        machine.clock.set_floor_s(floor)
        assert machine.clock.dates_without_clock() == Dates(ALWAYS, BUILT)


def test_time_that_a_camera_is_suspended_counts():
    """The system here knows no other clock than the one that goes on: with Linux's monotonic one this fails."""
    system = System()
    clock = SystemClock(BUILT, system)
    before_s = clock.monotonic_s()
    system.pass_time(3600)
    assert clock.monotonic_s() == before_s + 3600
    assert isinstance(SystemClock().monotonic_s(), float), "and the real one has it"
