"""What is read from a socket in one go: all of it, or what came before its end, and then the trouble behind that."""

import socket

import pytest

from agent.adapters.linux.http_wire import Wire
from agent.formats.errors import Unavailable

SILENCE_S = 0.05
LATE_S = 1000.0


class Clock:
    """Stands still, or goes on with each look."""

    def __init__(self, step_s=0.0):
        self.now, self.step_s, self.looks = 0.0, step_s, 0

    def __call__(self):
        self.looks += 1
        self.now += self.step_s
        return self.now


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def wire(ours, allowed=1 << 20, clock=None, deadline=LATE_S):
    made = Wire(ours, SILENCE_S, clock or Clock())
    made.allow(deadline, allowed)
    return made


def filled(one, length):
    buffer = bytearray(length)
    count = one.fill(memoryview(buffer))
    assert not any(buffer[count:])
    return bytes(buffer[:count])


def test_all_of_the_buffer_is_filled_however_it_comes_and_no_more(ends):
    ours, theirs = ends
    one = wire(ours)
    theirs.send(b"abc")
    theirs.send(b"defgh")
    assert (filled(one, 6), filled(one, 2)) == (b"abcdef", b"gh")


def test_a_connection_that_ends_has_given_what_it_gave(ends):
    ours, theirs = ends
    one = wire(ours)
    theirs.send(b"abc")
    theirs.close()
    assert (filled(one, 6), filled(one, 6)) == (b"abc", b"")


def test_silence_behind_some_bytes_is_waited_for_once_and_told_by_the_next_call(ends):
    ours, theirs = ends
    clock = Clock()
    one = wire(ours, clock=clock)
    theirs.send(b"abc")
    assert filled(one, 6) == b"abc"
    theirs.send(b"def")  # too late: whoever reads has been told less, and gives the connection up
    looks = clock.looks
    for read in (one.fill, one.receive):
        with pytest.raises(TimeoutError):
            read(memoryview(bytearray(6)))
    assert clock.looks == looks


def test_silence_before_the_first_byte_is_told_at_once(ends):
    with pytest.raises(TimeoutError):
        wire(ends[0]).fill(memoryview(bytearray(6)))


def test_bytes_that_drip_do_not_outlast_the_deadline(ends):
    ours, theirs = ends
    one = wire(ours, clock=Clock(step_s=1.0), deadline=8.5)
    theirs.send(b"a" * 100)
    ours_read = ours.recv_into

    class Dripping:
        """One byte at a time."""

        def __getattr__(self, name):
            return getattr(ours, name)

        def recv_into(self, buffer, _count):
            return ours_read(buffer, 1)

    one.socket = Dripping()
    found = filled(one, 100)
    assert 0 < len(found) < 9
    with pytest.raises(Unavailable, match="too slow"):
        one.fill(memoryview(bytearray(6)))


def test_no_more_arrives_than_was_allowed(ends):
    ours, theirs = ends
    one = wire(ours, allowed=4)
    theirs.send(b"abcdef")
    assert filled(one, 6) == b"abcd"
    with pytest.raises(Unavailable, match="does not end"):
        one.fill(memoryview(bytearray(6)))
    one.allow(LATE_S, 4)
    assert filled(one, 2) == b"ef"
