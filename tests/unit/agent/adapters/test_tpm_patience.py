"""A TPM that cannot just now, or whose device is late, is waited for: some seconds, and no more."""

import os
import socket

import pytest

from agent.adapters.linux.tpm import IMPATIENT_S, PAUSE_S, PAUSES, Tpm
from agent.formats import tpm
from agent.formats.errors import Unavailable

SECRET = bytes(range(32))
GOOD = b"\x80\x02" + (49).to_bytes(4, "big") + bytes(4) + (34).to_bytes(4, "big") + b"\0\x20" + SECRET + b"\0" * 5
GOOD = GOOD[:2] + len(GOOD).to_bytes(4, "big") + GOOD[6:]


def code(number: int) -> bytes:
    return b"\x80\x01\0\0\0\x0a" + number.to_bytes(4, "big")


class Chip:
    """Gives these answers in turn; its device is there at the try number `late`."""

    def __init__(self, answers: list[bytes], late: int = 0) -> None:
        self.late = late
        self.connected = 0
        self.slept: list[float] = []
        self.now = 1000.0
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._handle = ours.detach()
        for answer in answers:
            self.theirs.send(answer)
        self.tpm = Tpm(self._connect, self.slept.append, lambda: self.now)

    def unplug(self) -> None:
        self.tpm._forget_device()
        os.close(self._handle)
        self.theirs.close()

    def asked(self) -> list[bytes]:
        self.theirs.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.theirs.recv(tpm.MAX_BYTES))
        except BlockingIOError:
            return found

    def _connect(self) -> int:
        if self.late:
            self.late -= 1
            raise FileNotFoundError(2, "No such file or directory")
        self.connected += 1
        return os.dup(self._handle)


@pytest.fixture
def plugged():
    made: list[Chip] = []

    def plug(answers: list[bytes], late: int = 0) -> Chip:
        made.append(Chip(answers, late))
        return made[-1]

    yield plug
    for chip in made:
        chip.unplug()


@pytest.mark.parametrize("number", [0x908, 0x90A, 0x920, 0x922, 0x923])
def test_what_passes_is_asked_again(plugged, number):
    chip = plugged([code(number), code(number), GOOD])
    assert chip.tpm.secret(tpm.PARTITION_INDEX) == SECRET
    assert chip.asked() == [tpm.read_secret(tpm.PARTITION_INDEX)] * 3
    assert chip.slept == [PAUSE_S] * 2


def test_what_does_not_pass_is_told_at_once(plugged):
    chip = plugged([code(0x101), GOOD])
    with pytest.raises(Unavailable, match="failure mode"):
        chip.tpm.secret()
    assert chip.slept == []


def test_a_tpm_that_is_busy_for_good_is_told_after_five_seconds(plugged):
    chip = plugged([code(0x922)] * (PAUSES + 1) + [GOOD])
    with pytest.raises(Unavailable, match="busy"):
        chip.tpm.secret()
    assert sum(chip.slept) == 5.0


def test_after_a_wait_in_vain_there_is_none_for_a_minute(plugged):
    chip = plugged([code(0x922)] * (PAUSES + 1) + [code(0x922)] * 2 + [GOOD] + [code(0x922), GOOD])
    for _ in range(3):
        with pytest.raises(Unavailable, match="busy"):
            chip.tpm.secret()
        chip.now += 1
    assert sum(chip.slept) == 5.0
    assert chip.tpm.secret() == SECRET, "asked once, it is heard"
    chip.now += IMPATIENT_S
    assert chip.tpm.secret() == SECRET
    assert chip.slept == [PAUSE_S] * (PAUSES + 1), "then it is waited for as before"


def test_a_key_that_a_busy_tpm_does_not_let_go_of_goes_with_the_device(plugged):
    handle = b"\x80\x01\0\0\0\x0e" + bytes(4) + b"\x80\0\0\1"
    chip = plugged([handle, handle] + [code(0x922)] * (PAUSES + 2) + [GOOD])
    with pytest.raises(Unavailable, match="busy"):
        chip.tpm.sign(tpm.Blob(tpm.SIGNING, b"public", b"private", b"point"), bytes(32))
    assert sum(chip.slept) == 5.0
    assert chip.connected == 1
    assert chip.tpm.secret() == SECRET
    assert chip.connected == 2


def test_a_device_that_is_late_is_waited_for(plugged):
    chip = plugged([GOOD], late=3)
    assert chip.tpm.secret() == SECRET
    assert chip.slept == [PAUSE_S] * 3


def test_a_device_that_never_comes_is_waited_for_once(plugged):
    chip = plugged([], late=1000)
    for _ in range(3):
        with pytest.raises(Unavailable, match="no TPM that answers"):
            chip.tpm.secret()
    assert sum(chip.slept) == 5.0
