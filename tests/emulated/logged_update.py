"""One real update that nobody touches, with every write and flush of the disk in a log."""

import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from agent.formats.boot_record import BootRecord
from firmware_sim.demo.person import Person
from firmware_sim.netns import PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from firmware_sim.qemu.write_log import Entry, parse
from tests.emulated.conftest import FRONT, WATCHDOG_S
from tests.emulated.fleet import NEWER, PANIC, UPDATE_S, Fleet
from tests.emulated.lab_camera import BOOT_S, LabCamera, place_of


class LoggedUpdate(NamedTuple):
    """What happened: `base` is the disk of an enrolled camera, `entries` all that was written to it from then on.

    `slots`: which of them booted; `tried`: the boot record when the boot loader started the trial.
    """

    base: Path
    entries: list[Entry]
    slots: tuple[str, str]
    tried: BootRecord


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


def run(fleet: Fleet, stack: ExitStack, folder: Path) -> LoggedUpdate:
    """Start the fleet's camera, as it is, on a disk of its own, and have it update. In the end its power is cut."""
    base, log = folder / "base.img", folder / "writes.log"
    fleet.lab.machine.power_cut()
    overlay = fleet.lab.machine.overlays["disk"]
    subprocess.run(["qemu-img", "convert", "-O", "raw", overlay, base], check=True, timeout=UPDATE_S)
    machine = camera_on(fleet, stack, folder, base, log)
    old, before = fleet.booted(Deadline(BOOT_S)), fleet.committed()
    fleet.assign(NEWER)
    deadline = Deadline(UPDATE_S)
    machine.console.wait_for("camward-boot: starting slot b", deadline, unless=PANIC)
    tried = fleet.record()
    new = fleet.booted(deadline)
    fleet.complete(before, deadline)
    machine.power_cut()
    return LoggedUpdate(base, parse(memoryview(log.read_bytes())), (old, new), tried)
