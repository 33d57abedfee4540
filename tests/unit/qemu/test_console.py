"""The console keeps what was printed, moves its cursor by matches, and says how it ended."""

import socket
from collections.abc import Iterator

import pytest

from firmware_sim.qemu.console import Console, pair
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.errors import MachineError

SOON_S = 30.0
PIECES = 2000


@pytest.fixture
def ends() -> Iterator[tuple[Console, socket.socket]]:
    ours, theirs = socket.socketpair()
    console = Console(keep_bytes=1000)
    console.attach(ours)
    yield console, theirs
    theirs.close()
    console.detach()


def test_a_match_returns_the_text_up_to_it_and_the_next_wait_starts_behind(ends):
    console, guest = ends
    guest.sendall(b"boot one ready boot two ready rest")
    assert console.wait_for("ready", Deadline(SOON_S)) == "boot one ready"
    assert console.wait_for("ready", Deadline(SOON_S)) == " boot two ready"
    with pytest.raises(MachineError) as caught:
        console.wait_for("ready", Deadline(0.0))
    assert caught.value.code == "deadline"


def test_the_marker_printed_first_wins(ends):
    console, guest = ends
    guest.sendall(b"alpha beta")
    assert console.wait_for_any(("beta", "alpha"), Deadline(SOON_S))[0] == "alpha"


def test_a_text_that_rules_the_marker_out_ends_the_wait_unless_the_marker_came_before(ends):
    console, guest = ends
    guest.sendall(b"ready panic")
    console.wait_for("ready", Deadline(SOON_S), unless=("panic",))
    with pytest.raises(MachineError, match="panic") as caught:
        console.wait_for("ready", Deadline(SOON_S), unless=("panic",))
    assert caught.value.code == "console"


def test_a_marker_split_over_two_packets_is_found(ends):
    console, guest = ends
    guest.sendall(b"rea")
    wait_until(lambda: "rea" in console.text(), Deadline(SOON_S), "the first half")
    guest.sendall(b"dy")
    console.wait_for("ready", Deadline(SOON_S))


def test_the_end_of_the_machine_ends_a_wait_with_its_last_words(ends):
    console, guest = ends
    guest.sendall(b"last words")
    guest.close()
    with pytest.raises(MachineError, match="last words") as caught:
        console.wait_for("ready", Deadline(SOON_S))
    assert caught.value.code == "console"


def test_what_is_kept_is_bounded_and_the_cursor_survives_the_loss(ends):
    console, guest = ends
    guest.sendall(b"first ")
    console.wait_for("first", Deadline(SOON_S))
    guest.sendall(b"x" * 5000 + b" second")
    assert console.wait_for("second", Deadline(SOON_S)).endswith("second")
    assert len(console.text()) <= 1000


def test_skipping_hides_what_was_printed_before(ends):
    console, guest = ends
    guest.sendall(b"ready")
    wait_until(lambda: "ready" in console.text(), Deadline(SOON_S), "the text")
    console.skip()
    with pytest.raises(MachineError):
        console.wait_for("ready", Deadline(0.0))


def test_the_record_goes_on_after_a_power_cycle(ends):
    console, guest = ends
    guest.sendall(b"one")
    guest.close()
    console.detach()
    ours, theirs = socket.socketpair()
    console.attach(ours)
    theirs.sendall(b"two")
    console.wait_for("two", Deadline(SOON_S))
    assert console.text() == "onetwo"
    theirs.close()


def test_typing_reaches_the_guest_and_needs_a_connection(ends):
    console, guest = ends
    console.send("hello\n")
    assert guest.recv(100) == b"hello\n"
    with pytest.raises(MachineError):
        Console().send("x")


def test_bytes_that_are_no_text_are_replaced(ends):
    console, guest = ends
    guest.sendall(b"\xff\xfe ready")
    assert console.wait_for("ready", Deadline(SOON_S)).endswith(" ready")


def test_qemu_may_print_for_long_while_nobody_reads():
    """Sixteen bytes at a time, as a terminal does; what a socket refuses, QEMU drops."""

    def taken(ends: tuple[socket.socket, socket.socket]) -> int:
        with ends[0], ends[1] as printing:
            printing.setblocking(False)
            for count in range(PIECES):
                try:
                    printing.send(bytes(16))
                except BlockingIOError:
                    return count
            return PIECES

    assert taken(pair()) == PIECES
    assert taken(socket.socketpair()) < PIECES, "the control"
