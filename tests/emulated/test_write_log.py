"""QEMU logs every write and flush of one real update; then each state in which a cut could leave the disk is judged.

Killing QEMU keeps each write that it had taken; the states in which a disk's cache lost some of them, tore or reordered
them, come only from here. All of them are judged without booting; a few are booted.
"""

import os
import random
import secrets
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.formats.boot_record import NO_TRIAL, BootRecord
from firmware_sim.demo import images
from firmware_sim.demo.person import Person
from firmware_sim.netns import PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from firmware_sim.qemu.write_log import FLUSH, PREFIX, TORN, Crash, Entry, parse
from tests.emulated.conftest import FRONT, WATCHDOG_S
from tests.emulated.crash_states import judged, replay
from tests.emulated.cuts import committed
from tests.emulated.fleet import NEWER, UPDATE_S, Fleet
from tests.emulated.lab_camera import BOOT_S, LabCamera, place_of

SEED = os.environ.get("SEED") or secrets.token_hex(4)
BOOTED = int(os.environ.get("BOOTED_STATES", "1"))
BOOTED_SHARE = 0.9
"""They come from so much of the log: behind that, there may be none in which anything is torn."""
REPAIRED = int(os.environ.get("REPAIRED_STATES", "50"))
"""So many states' data partition is recovered by the file system's tools, a fifth of a second each; and that of every
state in which the superblock has changed."""


def camera_on(fleet: Fleet, stack: ExitStack, folder: Path, disk: Path, write_log: Path | None = None) -> Machine:
    """The fleet's camera on this disk, switched on; it becomes the fleet's one."""
    fleet.lab.person.close()
    fleet.lab.machine.power_cut()
    hardware = replace(hardware_of(fleet.lab.device, shell=True), disk=disk)
    machine = stack.enter_context(Machine(hardware, forwards=FRONT, watchdog_s=WATCHDOG_S, write_log=write_log))
    machine.power_on()
    person = stack.enter_context(Person(place_of(machine), PERSON_ADDRESS, folder))
    fleet.lab = LabCamera(machine, fleet.lab.device, person)
    return machine


@pytest.fixture(scope="module")
def logged(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry]]:
    """The disk of an enrolled camera, and everything that is written to it from then until it has updated."""
    folder = tmp_path_factory.mktemp("logged")
    base, log = folder / "base.img", folder / "writes.log"
    fleet.lab.machine.power_cut()
    overlay = fleet.lab.machine.overlays["disk"]
    subprocess.run(["qemu-img", "convert", "-O", "raw", overlay, base], check=True, timeout=UPDATE_S)
    with ExitStack() as stack:
        machine = camera_on(fleet, stack, folder, base, log)
        assert fleet.booted(Deadline(BOOT_S)) == "a"
        before = committed(fleet)
        fleet.assign(NEWER)
        wait_until(lambda: committed(fleet) > before, Deadline(UPDATE_S), "the commit")
        machine.power_cut()
        return base, parse(memoryview(log.read_bytes()))


def old_image():
    return images.load("lab-1.0.0")


def test_every_state_that_a_power_cut_can_leave_boots_a_verified_slot(
    fleet: Fleet, logged: tuple[Path, list[Entry]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    base, entries = logged
    flushes = sum(1 for entry in entries if entry.flags & FLUSH)
    assert flushes > 20
    assert sum(len(entry.data) for entry in entries) > 1 << 20
    chance = random.Random(SEED)
    repaired_share = min(1.0, REPAIRED / len(entries))
    kinds = {PREFIX: 0, TORN: 0}
    repaired = 0
    with judged(base, old_image(), fleet.built, tmp_path) as judge:

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


def test_control_without_the_flushes_some_state_is_broken(
    fleet: Fleet, logged: tuple[Path, list[Entry]], tmp_path: Path
):
    """The same writes by an agent that never flushes its slot: the judge has to notice."""
    base, entries = logged
    careless = [entry for entry in entries if not entry.flags & FLUSH or entry.data]
    with judged(base, old_image(), fleet.built, tmp_path) as judge:
        assert replay(judge, careless, SEED, lambda _: bool(judge.boots_a_verified_slot()))


@pytest.mark.parametrize("number", range(BOOTED))
def test_a_camera_boots_from_such_a_state_and_completes_the_update(
    fleet: Fleet, logged: tuple[Path, list[Entry]], tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
):
    """States in which something unflushed was torn, spread over the log."""
    base, entries = logged
    chance = random.Random(f"{SEED}-{number}")
    at = int(BOOTED_SHARE * len(entries) * (number + chance.random()) / BOOTED)
    disk = tmp_path / "disk.img"
    kept: list[Crash] = []
    with judged(base, old_image(), fleet.built, tmp_path) as judge:

        def keep(crash: Crash) -> bool:
            if crash.kind == TORN and crash.number >= at:
                kept.append(crash)
                disk.write_bytes(judge.disk[:])
            return bool(kept)

        assert replay(judge, entries, SEED, keep)
    with ExitStack() as stack:
        camera_on(fleet, stack, tmp_path, disk)
        slot = fleet.booted(Deadline(UPDATE_S))
        record = fleet.record()
        assert slot in (record.active, record.trial)
        with capsys.disabled():
            print(f"\nSEED={SEED} {kept} of {len(entries)}: booted {slot}", end="", flush=True)
        wait_until(lambda: settled(fleet.record()), Deadline(UPDATE_S), "the commit")
        fleet.lab.machine.power_cut()


def settled(record: BootRecord) -> bool:
    return (record.active, record.trial) == ("b", NO_TRIAL)
