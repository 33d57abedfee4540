"""Power cuts at random moments of real updates: `make soak CUTS=n`; SEED=s repeats a run.

A dry run measures how long the update takes; every cut then falls somewhere between its order and its commitment, so
the installation, the arming, the trial boot and the commitment are all hit. After each cut the camera must boot a
verified slot, know which, and complete the update. Each round begins with the same snapshot.
"""

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from firmware_sim.image.provision import Device
from firmware_sim.qemu.deadline import Deadline
from tests.emulated.fleet import ENROLLED, NEWER, UPDATE_S, Fleet, enrolled, set_clock

CUTS = int(os.environ.get("CUTS", "20"))
SEED = os.environ.get("SEED") or secrets.token_hex(4)


@pytest.fixture(scope="module")
def fleet(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with enrolled(camera_of, tmp_path_factory.mktemp("fleet")) as found:
        yield found


@pytest.fixture(scope="module")
def whole_s(fleet: Fleet) -> float:
    """Seconds from the order to the commitment when nobody disturbs; only spreads the cuts, never judges."""
    begin_anew(fleet)
    before, begin = fleet.committed(), time.monotonic()
    fleet.assign(NEWER)
    fleet.complete(before, Deadline(UPDATE_S))
    return time.monotonic() - begin


def begin_anew(fleet: Fleet) -> None:
    """The enrolled camera on its first release, with nothing ordered."""
    fleet.assign("none")
    fleet.lab.person.close()
    fleet.lab.machine.load(ENROLLED)
    fleet.lab.machine.console.skip()
    set_clock(fleet.lab)


@pytest.mark.parametrize("number", range(CUTS))
def test_an_update_completes_in_spite_of_a_power_cut_at_any_moment(
    fleet: Fleet, whole_s: float, number: int, capsys: pytest.CaptureFixture[str]
):
    chance = random.Random(f"{SEED}-{number}")
    moment_s = chance.uniform(0.0, whole_s)
    begin_anew(fleet)
    before = fleet.committed()
    fleet.assign(NEWER)
    time.sleep(moment_s)  # the moment is the point
    fleet.cut()
    record = fleet.record()
    deadline = Deadline(UPDATE_S)
    slot = fleet.booted(deadline)
    with capsys.disabled():
        print(
            f"\nSEED={SEED} cut {number + 1} of {CUTS} after {moment_s:.1f} of {whole_s:.1f} s: "
            f"active {record.active}, trial {record.trial}, booted {slot}",
            flush=True,
        )
    fleet.complete(before, deadline)
