"""Power cuts at random moments of a real update: what the emulated tests do twenty times and a soak run for hours.

A round begins with a snapshot of an installation that is under way, so that the way there is gone once. The power is
cut several times, each time in a stage of the update (installing and arming, the boot loader, the kernel, the new
system's start, its trial and commit), some seconds into it. Where a cut fell is read afterwards from the disk that it
left: the saved phase, the boot record, and how much of the release the slot holds.

After *each* cut the camera must come up from a verified slot that the boot record names, and its agent must say which
one; what the cut left behind must be of one piece. That the update completes is seen once in a round, after its last
cut, and so in spite of all; then the owner gets in, and the camera's page says the same.

The seed decides the moments; the machine's load decides what exactly they hit. Two things hold whatever it does: a disk
that takes `WRITE_BYTES_PER_S` keeps the installation longer than the first cut waits, and a wait within the first start
of the new system ends where its next part begins, seconds before it can be committed.
"""

import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agent.core import update
from agent.core.slots import SILENT_ENDS
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES, leaves_of
from agent.formats.boot_record import NO_TRIAL, BootRecord
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.machine import Machine
from tests.emulated.crash_states import saved_state
from tests.emulated.fleet import ENROLLED, NEWER, PANIC, UPDATE_S, Fleet, set_clock

UNDER_WAY = "under-way"
BLANK = bytes(BLOCK_BYTES)
WRITE_BYTES_PER_S = 512 * 1024
"""A slot of 60 MB takes two minutes where it took three seconds; only as long as the installation shall be cut."""
MOST_WRITTEN = 0.5
"""Beyond it, a slow boot and one more wait might end the installation: cuts that are left over fall into the trial."""

INSTALLING, ARMED, TRIED, COMMITTED = "installing", "armed", "tried", "committed"
"""What a cut left: nothing armed; a trial that was not started; one that was started and not committed; the commit."""


class Stage(NamedTuple):
    """A part of the update: it begins with this on the console (empty: at once) and is cut within so long.

    `weight`: how often cuts fall into it.
    """

    name: str
    marker: str
    length_s: float
    weight: int


STAGES = (
    Stage("installing and arming", "", 12.0, 3),
    Stage("boot loader", "camward-agent: restarting", 2.0, 1),
    Stage("kernel", "camward-boot: starting slot b", 8.0, 1),
    Stage("start of the new system", "camward-init: slot b verified root ready", 12.0, 1),
    Stage("trial and commit", "camward-agent: ready", 10.0, 2),
)
FIRST_START = (2, 3, 1)
"""Stages of the first start of the new system, of which only one is cut in a round: the next start is looked at."""
LAST = len(STAGES) - 1


@dataclass
class Seen:
    """One cut: where it was meant to fall, what it left on the disk, and what came up.

    `blocks`: of the release, that slot B holds, out of so many; those that are blank aside, as an empty slot is.
    """

    stage: str
    after_s: float
    phase: str
    left: str
    blocks: int
    out_of: int
    booted: str
    took_s: float

    def __str__(self) -> str:
        return (
            f"{self.stage} + {self.after_s:.1f} s: {self.left}, phase {self.phase}, "
            f"{self.blocks} of {self.out_of} blocks, booted {self.booted} ({self.took_s:.0f} s)"
        )


def get_under_way(fleet: Fleet) -> None:
    """Order the update once, and keep a snapshot of the camera when it has begun to write the slot, empty so far."""
    machine, begin = fleet.lab.machine, fleet.built.layout.slot("b")
    slow_down(machine, WRITE_BYTES_PER_S)
    assert machine.read_disk(begin, BLOCK_BYTES) == BLANK
    fleet.assign(NEWER)
    wait_until(
        lambda: machine.read_disk(begin, BLOCK_BYTES) != BLANK, Deadline(UPDATE_S), "the first block", poll_s=0.5
    )
    machine.save(UNDER_WAY)


def slow_down(machine: Machine, bytes_per_s: int) -> None:
    """Have the disk take so many bytes in a second (0: as it can) until QEMU ends; reading is as fast as ever."""
    drives = machine.monitor.execute("query-block")
    (disk,) = [one for one in drives if one.get("inserted", {}).get("node-name") == "disk"]
    limits = dict.fromkeys(("bps", "bps_rd", "iops", "iops_rd", "iops_wr"), 0)
    machine.monitor.execute("block_set_io_throttle", {"id": disk["qdev"], "bps_wr": bytes_per_s, **limits})


def plan(chance: random.Random, cuts: int, number: int) -> list[int]:
    """The stages of a round's cuts, in their order; from two cuts on, one in the installation and one in a start.

    `number`: of the round, which says what part of the first start is cut.
    """
    first = FIRST_START[number % len(FIRST_START)]
    free = [0, LAST]
    chosen = [0, first] if cuts > 1 else [chance.randrange(len(STAGES))]
    return sorted(chosen + chance.choices(free, [STAGES[one].weight for one in free], k=cuts - len(chosen)))


def one_round(fleet: Fleet, seed: str, cuts: int, number: int, snapshot: str = UNDER_WAY) -> list[Seen]:
    """Go back to the snapshot, cut the power so often, and let the update complete.

    Returns:
        What each cut did. All that must hold is asserted.
    """
    lab, chance = fleet.lab, random.Random(f"{seed}-{number}")
    before = fleet.committed()
    stages = plan(chance, cuts, number)
    if snapshot == ENROLLED:
        fleet.back_to(ENROLLED)
        slow_down(lab.machine, WRITE_BYTES_PER_S)
        fleet.assign(NEWER)  # an order that stands would be found at the camera's next look alone
    else:
        lab.person.close()
        if not lab.machine.is_on():
            lab.machine.plug_in()
        slow_down(lab.machine, WRITE_BYTES_PER_S)
        lab.machine.load(snapshot)
        lab.machine.console.skip()
        set_clock(lab)
    seen: list[Seen] = []
    slot = "a"
    while stages:
        number = stages.pop(0)
        if number == 0 and seen and seen[-1].blocks > MOST_WRITTEN * seen[-1].out_of:
            stages.append(LAST)
            continue
        seen.append(_cut(fleet, chance, number if slot == "a" else LAST, slot))
        slot = seen[-1].booted
    slow_down(lab.machine, 0)
    wait_until(lambda: fleet.committed() > before, Deadline(UPDATE_S), f"{NEWER} committed on the server")
    record = fleet.record()
    assert (record.active, record.trial) == ("b", NO_TRIAL)
    wanted = fleet.built.slot.read_bytes()
    assert lab.machine.read_disk(fleet.built.layout.slot("b"), len(wanted)) == wanted
    page = fleet.page()
    assert (page["slot"], page["version"]) == ("b", NEWER)
    return seen


def _cut(fleet: Fleet, chance: random.Random, number: int, slot: str) -> Seen:
    """One cut in this stage, with `slot` running when it begins."""
    machine, stage = fleet.lab.machine, STAGES[number]
    begun = time.monotonic()
    if slot == "a" and number:
        slow_down(machine, 0)
        _reach(fleet, number)
    after_s = chance.uniform(0.0, stage.length_s)
    if number in FIRST_START:
        _within(fleet, STAGES[number + 1].marker, after_s)
    else:
        time.sleep(after_s)  # the moment is the point
    machine.power_cut()
    left = _left(fleet)
    machine.console.skip()
    machine.power_on()
    if number == 0:
        slow_down(machine, WRITE_BYTES_PER_S)  # or it might be installed, and restart, before all of it is up
    booted = fleet.booted(Deadline(UPDATE_S))
    record = fleet.record()
    assert booted in (record.active, record.trial), "a slot was started that the boot record did not name"
    return Seen(stage.name, after_s, *left, booted, time.monotonic() - begun)


def _reach(fleet: Fleet, number: int) -> None:
    """Wait for the stage with this number, through the ones before it: the console is read once."""
    deadline = Deadline(UPDATE_S)
    for stage in STAGES[1 : number + 1]:
        fleet.lab.machine.console.wait_for(stage.marker, deadline, unless=PANIC)


def _within(fleet: Fleet, marker: str, after_s: float) -> None:
    """Wait so long, or until this is on the console."""
    try:
        fleet.lab.machine.console.wait_for(marker, Deadline(after_s), unless=PANIC)
    except MachineError as error:
        if error.code != "deadline":
            raise


def _left(fleet: Fleet) -> tuple[str, str, int, int]:
    """What is on the disk of a camera that is off: phase, what that is to the boot loader, and blocks, as in `Seen`.

    Raises:
        AssertionError: it does not fit together.
    """
    layout, machine = fleet.built.layout, fleet.lab.machine
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.img"
        data.write_bytes(machine.read_disk(layout.data_offset, layout.data_bytes))
        phase = saved_state(data).phase
    wanted = fleet.built.tree.read_bytes()
    held = leaves_of(machine.read_disk(layout.slot("b"), len(wanted) // HASH_BYTES * BLOCK_BYTES))
    blank = leaves_of(BLANK)
    places = [at for at in range(0, len(wanted), HASH_BYTES) if wanted[at : at + HASH_BYTES] != blank]
    blocks = sum(held[at : at + HASH_BYTES] == wanted[at : at + HASH_BYTES] for at in places)
    left = _meaning(fleet.record())
    assert left == INSTALLING or blocks == len(places), "a slot was armed that is not whole"
    before = update.PHASES[: update.PHASES.index(update.ARMING) + 1]
    assert left != INSTALLING or phase in before, f"nothing is armed in phase {phase}"
    return phase, left, blocks, len(places)


def _meaning(record: BootRecord) -> str:
    if record.active == "b":
        return COMMITTED
    if record.trial == NO_TRIAL:
        return INSTALLING
    return ARMED if record.left == SILENT_ENDS else TRIED


__all__ = [
    "ARMED", "ENROLLED", "FIRST_START", "INSTALLING", "STAGES", "TRIED", "UNDER_WAY", "Seen", "Stage", "get_under_way",
    "one_round", "plan", "slow_down",
]  # fmt: skip
