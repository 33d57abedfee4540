"""Deadlines share one budget and end waits with a name."""

import pytest

from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.errors import MachineError


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_time_left_falls_to_zero_and_stays_there():
    clock = Clock()
    deadline = Deadline(5.0, clock)
    clock.now_s += 2.0
    assert deadline.remaining_s() == 3.0
    clock.now_s += 9.0
    assert deadline.remaining_s() == 0.0
    assert deadline.expired()


def test_a_deadline_within_another_never_ends_later():
    clock = Clock()
    outer = Deadline(5.0, clock)
    assert outer.within(2.0).remaining_s() == 2.0
    assert outer.within(60.0).remaining_s() == 5.0


def test_an_expired_deadline_names_what_was_waited_for():
    with pytest.raises(MachineError, match="the moon") as caught:
        Deadline(0.0).require("the moon")
    assert caught.value.code == "deadline"


def test_a_condition_is_looked_at_once_even_if_the_deadline_has_passed():
    wait_until(lambda: True, Deadline(0.0), "nothing")
    with pytest.raises(MachineError, match="the moon"):
        wait_until(lambda: False, Deadline(0.0), "the moon")


def test_waiting_ends_when_the_condition_holds():
    looks = iter([False, False, True])
    wait_until(lambda: next(looks), Deadline(60.0), "the third look", poll_s=0.0)
    assert next(looks, None) is None
