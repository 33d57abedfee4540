"""Which slot boots: boot record, trial counts, fallback, rollback index. Beside each refusal stands a boot."""

import binascii
import re
from pathlib import Path

import pytest

from agent.formats.boot_record import FRESH, decode, encode
from firmware_sim.image.fit import WORD_BYTES
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.heartbeat import HEARTBEAT, Heartbeat
from firmware_sim.qemu.machine import Machine
from tests.emulated.boot_helpers import (
    BOOT_S,
    UP,
    Disk,
    image,
    made,
    of_epoch_2,
    ready,
    record_of,
    starts,
    wait,
    without_agent,
)

COMMITTED_A = FRESH.replace(generation=7, rollback_index=1)


def test_the_committed_slot_boots_and_counts_its_boots(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A)
    with disk.machine() as machine:
        text = starts(machine, "a")
        assert record_of(machine, disk.built) == COMMITTED_A.replace(generation=8, tries=1)
        # Or U-Boot would move the kernel byte by byte.
        assert int(re.findall(r"Data Start: +0x([0-9a-f]+)", text)[0], 16) % WORD_BYTES == 0


def test_the_other_copy_is_written_so_that_one_is_always_whole(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A)
    with disk.machine() as machine:
        starts(machine, "a")
        first, second = (decode(machine.read_disk(offset, 512)) for offset in disk.built.layout.boot_record)
    assert first == COMMITTED_A
    assert second.generation == COMMITTED_A.generation + 1


@pytest.mark.parametrize("damaged", [0, 1])
def test_one_damaged_copy_costs_nothing(tmp_path: Path, damaged: int):
    disk = Disk(tmp_path, image())
    disk.slot("b", image())
    good = encode(COMMITTED_A.replace(active="b"))
    bad = bytearray(good)
    bad[40] ^= 1
    copies = [good, good]
    copies[damaged] = bytes(bad)
    disk.records(*copies)
    with disk.machine() as machine:
        starts(machine, "b")
        assert record_of(machine, disk.built).active == "b"


def test_both_copies_damaged_boots_slot_a_and_writes_a_new_record(tmp_path: Path):
    disk = Disk(tmp_path, image())
    disk.slot("b", image())
    disk.records(b"\xff" * 512, bytes(512))
    with disk.machine() as machine:
        text = starts(machine, "a")
        assert "both boot record copies are damaged" in text
        assert record_of(machine, disk.built) == FRESH.replace(generation=1, tries=1)


def test_both_copies_damaged_and_slot_a_empty_boots_slot_b(tmp_path: Path):
    disk = Disk(tmp_path, image())
    disk.slot("b", image())
    disk.fit("a", b"")
    disk.records(b"\xff" * 512, b"\xff" * 512)
    with disk.machine() as machine:
        starts(machine, "b")


def test_a_trial_counts_down_before_it_starts_and_gives_way_after_its_last_boot(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(trial="b", left=2))
    disk.slot("b", image())
    with disk.machine() as machine:
        for left in (1, 0):
            text = starts(machine, "b")
            assert f"trial boot of slot b, 0 failures, {left} left" in text
            assert record_of(machine, disk.built).left == left
            machine.power_cut()
            machine.power_on()
        starts(machine, "a")
        now = record_of(machine, disk.built)
        assert (now.active, now.trial, now.left, now.tries) == ("a", "b", 0, 1)


def test_a_kernel_that_hangs_is_reset_by_the_harness_and_counts(tmp_path: Path):
    """softdog hangs with it; a panic that does not restart is the simplest way."""
    disk = Disk(tmp_path, without_agent(), COMMITTED_A)
    with disk.machine(shell=True) as machine, Heartbeat(machine, margin_s=10.0) as heartbeat:
        wait(machine, UP)
        beat = f"(while busybox sleep 1; do echo {HEARTBEAT}; done) </dev/null >/dev/console 2>&1 &"
        assert machine.shell(beat, Deadline(BOOT_S))[0] == 0
        wait(machine, HEARTBEAT)
        hang = "echo 0 >/proc/sys/kernel/panic; (busybox sleep 1; echo c >/proc/sysrq-trigger) &"
        assert machine.shell(hang, Deadline(BOOT_S))[0] == 0
        wait(machine, "Kernel panic")
        assert "the committed system was reset without a word, reset 1" in starts(machine, "a")
        assert heartbeat.resets == 1


def test_a_committed_trial_stays(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(active="b"))
    disk.slot("b", image())
    with disk.machine() as machine:
        starts(machine, "b")


def test_ten_boots_without_health_give_the_other_slot_its_turn(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(tries=9))
    disk.slot("b", image())
    with disk.machine() as machine:
        starts(machine, "a")
        _cut_and_start(machine)
        text = starts(machine, "b")
        assert "slot a has not been healthy for ten boots" in text
        now = record_of(machine, disk.built)
        assert (now.active, now.tries, now.gave) == ("b", 1, "s")


def test_a_reset_counts_as_a_failure_of_the_trial_and_a_power_cut_does_not(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(trial="b", left=10))
    disk.slot("b", image())
    with disk.machine() as machine:
        starts(machine, "b")
        for fails in (1, 2):
            _cut_and_start(machine)
            starts(machine, "b")
            machine.reset()
            text = starts(machine, "b")
            assert f"the trial was reset without a word, failure {fails}" in text
            now = record_of(machine, disk.built)
            assert (now.fails, now.left) == (fails, 9 - fails)
        machine.reset()
        assert "was reset three times" not in starts(machine, "a")
        now = record_of(machine, disk.built)
        assert (now.active, now.trial, now.fails, now.resets) == ("a", "b", 3, 0)


def test_a_hung_agent_is_reset_by_its_watchdog_and_the_third_time_the_old_slot_boots(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(trial="b", left=10, fails=2))
    disk.slot("b", made("1.0.2", "product", fault="agent-hangs"))
    with disk.machine() as machine:
        text = wait(machine, "camward-agent: hangs")
        assert ready("b") in text
        now = record_of(machine, disk.built)
        assert (now.fails, now.left) == (2, 9)
        text = starts(machine, "a")
        assert "softdog: Initiating system reboot" in text
        assert record_of(machine, disk.built).fails == 3


def test_the_other_slot_gets_no_turn_when_it_does_not_verify(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(tries=10))
    with disk.machine() as machine:
        text = starts(machine, "a")
        assert "slot b refused" in text


def test_a_trial_below_the_rollback_index_is_refused(tmp_path: Path):
    newer, older = of_epoch_2(), image()
    disk = Disk(tmp_path, newer, COMMITTED_A.replace(trial="b", left=3, rollback_index=2))
    disk.slot("b", older)
    with disk.machine() as machine:
        text = starts(machine, "a")
        assert "slot b is below the rollback index" in text
        assert record_of(machine, disk.built).left == 0


def test_the_same_trial_boots_at_a_lower_rollback_index(tmp_path: Path):
    newer, older = of_epoch_2(), image()
    disk = Disk(tmp_path, newer, COMMITTED_A.replace(trial="b", left=3, rollback_index=1))
    disk.slot("b", older)
    with disk.machine() as machine:
        starts(machine, "b")


def test_with_nothing_that_may_boot_the_camera_resets_and_offers_no_prompt(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(rollback_index=2))
    with disk.machine() as machine:
        for _ in range(2):
            text = wait(machine, "camward-boot: nothing to boot", ready("a"), ready("b"))
            assert "slot a is below the rollback index" in text
            machine.console.send("\x03\n")


ODD_RECORDS = {
    "commands in slots": b"gen=0x5\0act=b;reset\0try=$(reset)\0left=9x\0tries=4x\0ridx=0x1\0",
    "foreign variables": b"gen=0x5\0act=a\0try=-\0left=0\0tries=0\0ridx=0x1\0"
    b"bootargs=init=/bin/sh\0cw_start=reset\0verify=n\0",
    "operators of test": b"gen=0x5\0act=-o\0try=!\0left=10\0tries=-1\0ridx=0x1\0",
}


@pytest.mark.parametrize("what", ODD_RECORDS)
def test_a_record_with_odd_values_runs_nothing_and_is_put_right(tmp_path: Path, what: str):
    disk = Disk(tmp_path, image())
    disk.slot("b", image())
    data = ODD_RECORDS[what] + bytes(508 - len(ODD_RECORDS[what]))
    sector = binascii.crc32(data).to_bytes(4, "little") + data
    disk.records(sector, sector)
    with disk.machine() as machine:
        starts(machine, "a")
        assert record_of(machine, disk.built) == FRESH.replace(generation=6, fails=3, tries=1, rollback_index=1)


def _cut_and_start(machine: Machine) -> None:
    machine.power_cut()
    machine.power_on()
