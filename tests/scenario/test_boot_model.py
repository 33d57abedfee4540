"""The world's boot loader and the script that the product ships decide the same, over a table of every kind of case."""

import itertools
from pathlib import Path

import pytest

from agent.formats.boot_record import RECORD_BYTES, BootRecord, encode
from firmware_sim.world.boot import Save, Start, boot_pass
from tests.scenario.hush import Slot, Uboot, read_script

SCRIPT = Path(__file__).resolve().parents[2] / "agent" / "boot" / "boot.cmd"
DAMAGED = bytes(RECORD_BYTES)
KINDS = (("good", 1), ("good", 2), ("forged", 2), ("rubbish", 0))


def model(sectors, slots, stuck):
    """The trace of the model, on the same machine."""

    def accepts(slot, index):
        return slots[slot].kind == "good" and slots[slot].epoch >= index

    trace = []
    steps = boot_pass(sectors[0], sectors[1], accepts)
    answer = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration:
            return trace
        trace.append(step)
        answer = isinstance(step, Save) and not stuck


def records():
    """One record of every kind; the generation is filled in by the case."""
    for active, trial, left, tries, index in itertools.product("ab", "-ab", (0, 1, 3, 9), (0, 7, 8, 9), (0, 2)):
        yield BootRecord(7, active, trial, left, tries, index)


def compare(script, sectors, slots, stuck=False):
    ours = model(list(sectors), slots, stuck)
    theirs = Uboot(script, list(sectors), slots, stuck).power_on()
    assert ours == theirs
    return ours


@pytest.fixture(scope="module")
def script():
    return read_script(SCRIPT)


def test_every_record_and_every_pair_of_slots(script):
    cases, started, resets = 0, 0, 0
    for record in records():
        sectors = [encode(record), encode(record.replace(generation=6, active="a", trial="-"))]
        for first, second in itertools.product(KINDS, KINDS):
            trace = compare(script, sectors, {"a": Slot(*first), "b": Slot(*second)})
            cases += 1
            started += isinstance(trace[-1], Start)
            resets += isinstance(trace[-1], Save)
    assert cases == 2 * 3 * 4 * 4 * 2 * 16
    assert started > 1000
    assert resets > 100


@pytest.mark.parametrize("stuck", [False, True], ids=["writes work", "nothing can be written"])
@pytest.mark.parametrize(
    "generations", [(1, 2), (2, 1), (5, 5), (0x1F, 0x9), (0xFFFFFFF0, 3), (1, None), (None, 1), (None, None)]
)
def test_the_newer_valid_copy_counts(script, generations, stuck):
    sectors = []
    for active, generation in zip("ab", generations, strict=True):
        record = BootRecord(generation or 0, active, "b" if active == "a" else "a", 2, 3, 0)
        sectors.append(DAMAGED if generation is None else encode(record))
    compare(script, sectors, {"a": Slot("good", 1), "b": Slot("good", 1)}, stuck)


def test_a_script_with_another_rule_is_caught(script):
    """The control: a script that never counts a trial down differs from the model."""
    changed = dict(script)
    assert "setexpr left ${left} - 1" in changed["cw_trial"]
    changed["cw_trial"] = changed["cw_trial"].replace("setexpr left ${left} - 1", "setexpr left ${left} - 0")
    record = BootRecord(1, "a", "b", 3, 0, 0)
    with pytest.raises(AssertionError):
        compare(changed, [encode(record), DAMAGED], {"a": Slot("good", 1), "b": Slot("good", 1)})
