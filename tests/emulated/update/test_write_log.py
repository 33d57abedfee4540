"""QEMU logs every write and flush of one real update; then each state in which a cut could leave the disk is judged.

The update is the one that test_install.py looks at.

Killing QEMU keeps each write that it had taken; the states in which a disk's cache lost some of them, tore or reordered
them, come only from here. All of them are judged without booting; a few are booted.
"""

import os
import random
import secrets
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.formats.boot_record import NO_TRIAL, BootRecord
from firmware_sim.demo import images
from firmware_sim.image.build import BuiltImage
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.write_log import FLUSH, PREFIX, TORN, Crash
from tests.emulated.crash_states import judged, replay
from tests.emulated.fleet import NEWER, UPDATE_S, Fleet
from tests.emulated.logged_update import LoggedUpdate, camera_on

SEED = os.environ.get("SEED") or secrets.token_hex(4)
BOOTED = int(os.environ.get("BOOTED_STATES", "1"))
BOOTED_SHARE = 0.9
"""They come from so much of the log: behind that, there may be none in which anything is torn."""
REPAIRED = int(os.environ.get("REPAIRED_STATES", "50"))
"""So many states' data partition is recovered by the file system's tools, a fifth of a second each; and that of every
state in which the superblock has changed."""


def old_image() -> BuiltImage:
    return images.load("lab-1.0.0")


def new_image() -> BuiltImage:
    return images.load(f"product-{NEWER}")


def test_every_state_that_a_power_cut_can_leave_boots_a_verified_slot(
    update: LoggedUpdate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    base, entries = update.base, update.entries
    flushes = sum(1 for entry in entries if entry.flags & FLUSH)
    assert flushes > 20
    assert sum(len(entry.data) for entry in entries) > 1 << 20
    chance = random.Random(SEED)
    repaired_share = min(1.0, REPAIRED / len(entries))
    kinds = {PREFIX: 0, TORN: 0}
    repaired = 0
    with judged(base, old_image(), new_image(), tmp_path) as judge:

        def look(crash: Crash) -> bool:
            nonlocal repaired
            kinds[crash.kind] += 1
            wrong = judge.boots_a_verified_slot()
            assert not wrong, f"SEED={SEED} {crash}: {wrong}"
            if judge.head_touched or chance.random() < repaired_share:
                repaired += 1
                wrong = judge.data_is_whole()
                assert not wrong, f"SEED={SEED} {crash}: {wrong}"
            return False

        replay(judge, entries, SEED, look)
        assert judge.named >= {("a", "-"), ("a", "b"), ("b", "-")}, "the log does not hold a whole update"
        assert not judge.slots["b"].wrong
    with capsys.disabled():
        print(
            f"\nSEED={SEED}: {len(entries)} operations, {flushes} flushes; judged {kinds}, repaired {repaired}", end=""
        )
    assert kinds[PREFIX] == len(entries)
    assert kinds[TORN] > len(entries) // 16
    assert repaired > REPAIRED // 4


def test_control_without_the_flushes_some_state_is_broken(update: LoggedUpdate, tmp_path: Path):
    """The same writes by an agent that never flushes its slot: the judge has to notice."""
    base, entries = update.base, update.entries
    careless = [entry for entry in entries if not entry.flags & FLUSH or entry.data]
    with judged(base, old_image(), new_image(), tmp_path) as judge:
        assert replay(judge, careless, SEED, lambda _: bool(judge.boots_a_verified_slot()))


@pytest.mark.parametrize("number", range(BOOTED))
def test_a_camera_boots_from_such_a_state_and_completes_the_update(
    enrolled_fleet: Fleet, update: LoggedUpdate, tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
):
    """States in which something unflushed was torn, spread over the log."""
    fleet, base, entries = enrolled_fleet, update.base, update.entries
    chance = random.Random(f"{SEED}-{number}")
    at = int(BOOTED_SHARE * len(entries) * (number + chance.random()) / BOOTED)
    disk = tmp_path / "disk.img"
    kept: list[Crash] = []
    with judged(base, old_image(), new_image(), tmp_path) as judge:

        def keep(crash: Crash) -> bool:
            if crash.kind == TORN and crash.number >= at:
                kept.append(crash)
                disk.write_bytes(judge.disk[:])
            return bool(kept)

        assert replay(judge, entries, SEED, keep)
    fleet.assign(NEWER)  # not every state knows of the order
    with ExitStack() as stack:
        camera_on(fleet, stack, tmp_path, disk)
        slot = fleet.booted(Deadline(UPDATE_S))
        record = fleet.record()
        assert slot in (record.active, record.trial)
        with capsys.disabled():
            print(f"\nSEED={SEED} {kept} of {len(entries)}: booted {slot}", end="", flush=True)
        # Each look takes a core for a while.
        wait_until(lambda: settled(fleet.record()), Deadline(UPDATE_S), "the commit", poll_s=2.0)
        fleet.lab.machine.power_cut()


def settled(record: BootRecord) -> bool:
    return (record.active, record.trial) == ("b", NO_TRIAL)
