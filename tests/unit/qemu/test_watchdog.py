"""The harness watchdog ends the machine that a test has forgotten, whichever power-on it is at."""

import subprocess

import pytest

from firmware_sim.qemu.watchdog import Watchdog

SOON_S = 0.2
WAIT_S = 10


@pytest.fixture
def processes():
    started = []

    def sleep():
        started.append(subprocess.Popen(["sleep", "60"]))
        return started[-1]

    yield sleep
    for process in started:
        process.kill()
        process.wait()


def test_the_process_of_the_newest_power_on_is_ended_when_the_time_since_the_first_is_over(processes):
    watchdog = Watchdog(SOON_S)
    first, second = processes(), processes()
    watchdog.guard(first)
    watchdog.guard(second)
    assert second.wait(WAIT_S) < 0
    assert watchdog.fired
    assert first.poll() is None, "that one had its power cut by the machine itself"


@pytest.mark.parametrize("seconds", [None, SOON_S])
def test_without_a_time_or_after_its_machine_was_closed_it_ends_nothing(processes, seconds):
    watchdog = Watchdog(seconds)
    process = processes()
    watchdog.guard(process)
    watchdog.cancel()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2 * SOON_S)
    assert not watchdog.fired
