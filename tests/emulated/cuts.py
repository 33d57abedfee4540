"""Power cuts at random moments of a real update: what the emulated tests do twenty times and a soak run for hours.

A round begins with a snapshot of an installation that is under way, so that the way there is gone once. The power is
cut several times, between two random moments: a stage of the update (downloading and arming, the boot loader, the
kernel, the new system's start, its trial and commit), and some seconds into it. After each cut the camera must come up
from a verified slot, and its agent must say which. The update completes after the last one, and so in spite of all;
then the owner gets in, and the camera's page says the same. Later stages are never followed by earlier ones, so every
round also reaches the trial.

The seed decides the moments; the machine's load decides what exactly they hit.
"""

import random
import time
from dataclasses import dataclass
from typing import NamedTuple

from agent.formats.boot_record import NO_TRIAL
from firmware_sim.qemu.deadline import Deadline, wait_until
from tests.emulated.fleet import ENROLLED, NEWER, PANIC, UPDATE_S, Fleet, set_clock

UNDER_WAY = "under-way"
PHASE = "cat /data/camward/update/state.json 2>/dev/null || true"


class Stage(NamedTuple):
    """A part of the update: it begins with this on the console (empty: at once) and takes about so long.

    `weight`: how often cuts fall into it. Only the first cut after the download finds the stages before the trial.
    """

    name: str
    marker: str
    length_s: float
    weight: int


STAGES = (
    Stage("downloading and arming", "", 15.0, 3),
    Stage("boot loader", "camward-agent: restarting", 2.0, 1),
    Stage("kernel", "camward-boot: starting slot b", 8.0, 1),
    Stage("start of the new system", "camward-init: slot b verified root ready", 12.0, 1),
    Stage("trial and commit", "camward-agent: ready", 10.0, 2),
)
LAST = len(STAGES) - 1


@dataclass
class Seen:
    """One cut: where it fell, what it left, and what came up."""

    stage: str
    after_s: float
    active: str
    trial: str
    booted: str
    took_s: float

    def __str__(self) -> str:
        return (
            f"{self.stage} + {self.after_s:.1f} s: active {self.active}, trial {self.trial}, booted {self.booted} "
            f"({self.took_s:.0f} s)"
        )


def get_under_way(fleet: Fleet) -> None:
    """Order the update once, and keep a snapshot of the camera while it is being installed."""
    fleet.assign(NEWER)
    wait_until(lambda: '"installing"' in fleet.lab.shell(PHASE), Deadline(UPDATE_S), "the installation")
    fleet.lab.machine.save(UNDER_WAY)


def one_round(fleet: Fleet, seed: str, cuts: int, snapshot: str = UNDER_WAY) -> list[Seen]:
    """Go back to the snapshot, cut the power so often, and let the update complete.

    Returns:
        What each cut did. All that must hold is asserted.
    """
    lab, chance = fleet.lab, random.Random(seed)
    before = fleet.committed()
    if snapshot == ENROLLED:
        fleet.back_to(ENROLLED)
        fleet.assign(NEWER)  # an order that stands would be found at the camera's next look alone
    else:
        lab.person.close()
        if not lab.machine.is_on():
            lab.machine.plug_in()
        lab.machine.load(snapshot)
        lab.machine.console.skip()
        set_clock(lab)
    seen, slot = [], "a"
    for number in sorted(chance.choices(range(len(STAGES)), [stage.weight for stage in STAGES], k=cuts)):
        # Once the new system runs, there is only its trial left to disturb.
        stage = STAGES[number if slot == "a" else LAST]
        begun = time.monotonic()
        if stage.marker and (slot == "a" or stage is not STAGES[LAST]):
            _reach(fleet, number)
        after_s = chance.uniform(0.0, stage.length_s)
        time.sleep(after_s)  # the moment is the point
        fleet.cut()
        slot = fleet.booted(Deadline(UPDATE_S))
        record = fleet.record()
        assert slot in (record.active, record.trial), "a slot was started that the boot record did not name"
        seen.append(Seen(stage.name, after_s, record.active, record.trial, slot, time.monotonic() - begun))
    wait_until(lambda: fleet.committed() > before, Deadline(UPDATE_S), f"{NEWER} committed on the server")
    record = fleet.record()
    assert (record.active, record.trial) == ("b", NO_TRIAL)
    wanted = fleet.built.slot.read_bytes()
    assert lab.machine.read_disk(fleet.built.layout.slot("b"), len(wanted)) == wanted
    page = fleet.page()
    assert (page["slot"], page["version"]) == ("b", NEWER)
    return seen


def _reach(fleet: Fleet, number: int) -> None:
    """Wait for the stage with this number, through the ones before it: the console is read once."""
    deadline = Deadline(UPDATE_S)
    for stage in STAGES[1 : number + 1]:
        fleet.lab.machine.console.wait_for(stage.marker, deadline, unless=PANIC)


__all__ = ["ENROLLED", "STAGES", "UNDER_WAY", "Seen", "Stage", "get_under_way", "one_round"]
