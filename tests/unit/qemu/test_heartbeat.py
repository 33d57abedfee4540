"""A guest that stops beating is reset, once; one that beats, and one that never did, are left alone."""

import socket
import time

import pytest

from firmware_sim.qemu.console import Console
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.heartbeat import HEARTBEAT, Heartbeat

SOON_S = 30.0
MARGIN_S = 0.6


class Guest:
    """A console to print on, and a reset button that counts."""

    def __init__(self, is_on=True):
        self.console = Console()
        ours, self._end = socket.socketpair()
        self.console.attach(ours)
        self.pressed = 0
        self.is_on = is_on

    def reset(self):
        self.pressed += 1
        if not self.is_on:
            raise MachineError("not_running", "the machine is off")

    def beat(self):
        self._end.sendall(HEARTBEAT.encode() + b"\r\n")

    def close(self):
        self._end.close()
        self.console.detach()


@pytest.fixture
def guest():
    made = Guest()
    yield made
    made.close()


def test_silence_after_a_beat_resets_once_and_the_next_beat_arms_it_again(guest):
    with Heartbeat(guest, margin_s=MARGIN_S) as heartbeat:
        for count in (1, 2):
            guest.beat()
            wait_until(lambda count=count: heartbeat.resets == count, Deadline(SOON_S), "a reset")
            time.sleep(2 * MARGIN_S)
            assert guest.pressed == count


def test_a_guest_that_never_beat_is_left_alone(guest):
    with Heartbeat(guest, margin_s=MARGIN_S):
        time.sleep(3 * MARGIN_S)
    assert guest.pressed == 0


def test_a_guest_that_beats_is_left_alone(guest):
    with Heartbeat(guest, margin_s=20 * MARGIN_S):
        for _ in range(5):
            guest.beat()
            time.sleep(MARGIN_S)
    assert guest.pressed == 0


def test_a_machine_that_is_off_is_not_counted():
    guest = Guest(is_on=False)
    with Heartbeat(guest, margin_s=MARGIN_S) as heartbeat:
        guest.beat()
        wait_until(lambda: guest.pressed == 1, Deadline(SOON_S), "the press")
    assert heartbeat.resets == 0
    guest.close()
