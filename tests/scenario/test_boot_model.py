"""The world's boot loader and the script that the product ships decide the same, over a table of every kind of case."""

import itertools
from pathlib import Path

import pytest

from agent.formats.boot_record import RECORD_BYTES, BootRecord, encode
from firmware_sim.world.boot import COMMITTED, SILENT, TRIAL, Save, Start, boot_pass
from tests.scenario.hush import WORDS, Slot, Uboot, read_script

SCRIPT = Path(__file__).resolve().parents[2] / "agent" / "boot" / "boot.cmd"
DAMAGED = bytes(RECORD_BYTES)
KINDS = (("good", 1), ("good", 2), ("forged", 2), ("rubbish", 0))


def model(sectors, slots, stuck, ended):
    """The trace of the model, on the same machine."""

    def accepts(slot, index):
        return slots[slot].kind == "good" and slots[slot].epoch >= index

    trace = []
    steps = boot_pass(sectors[0], sectors[1], accepts, ended)
    answer = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration:
            return trace
        trace.append(step)
        answer = isinstance(step, Save) and not stuck


def record(active="a", trial="-", left=0, fails=0, tries=0, resets=0, gave="-", said=0, index=0):
    return BootRecord(7, active, trial, left, fails, tries, resets, gave, said, index)


def compare(script, sectors, slots, stuck=False, ended=SILENT):
    ours = model(list(sectors), slots, stuck, ended)
    theirs = Uboot(script, list(sectors), slots, stuck, WORDS[ended]).power_on()
    assert ours == theirs
    return ours


@pytest.fixture(scope="module")
def script():
    return read_script(SCRIPT)


def older(record):
    return encode(record.replace(generation=6, active="a", trial="-"))


def test_every_record_and_every_pair_of_slots(script):
    cases, started, resets = 0, 0, 0
    counts = ((0, 0, 0, 0), (1, 2, 9, 2), (10, 0, 10, 0), (10, 3, 0, 3))
    for active, trial, (left, fails, tries, lost), index in itertools.product("ab", "-ab", counts, (0, 2)):
        one = record(active, trial, left, fails, tries, lost, "-", 0, index)
        for first, second in itertools.product(KINDS, KINDS):
            trace = compare(script, [encode(one), older(one)], {"a": Slot(*first), "b": Slot(*second)})
            cases += 1
            started += isinstance(trace[-1], Start)
            resets += isinstance(trace[-1], Save)
    assert cases == 2 * 3 * 4 * 2 * 16
    assert started >= 400
    assert resets > 50


@pytest.mark.parametrize("ended", [SILENT, TRIAL, COMMITTED])
@pytest.mark.parametrize("said", [0, 1])
def test_every_count_and_every_way_to_end(script, ended, said):
    """All counts beside each other, for both slots committed; the counts of a trial without one, too."""
    both = {"a": Slot("good", 1), "b": Slot("good", 1)}
    kinds = set()
    for trial, left, fails in itertools.product("-b", (0, 9, 10), (0, 2, 3, 7)):
        for tries, resets, gave in itertools.product((0, 9, 10), (0, 2, 3, 7), "-r"):
            one = record("a", trial, left, fails, tries, resets, gave, said)
            trace = compare(script, [encode(one), older(one)], both, ended=ended)
            kinds.add((trace[-1].slot, trace[-1].on_trial))
            kinds.add(trace[0].record.gave)
            assert trace[0].record.said == 0
    assert kinds == {("a", False), ("b", True), ("b", False), "-", "r"} | ({"s"} if ended != COMMITTED else set())


@pytest.mark.parametrize("stuck", [False, True], ids=["writes work", "nothing can be written"])
@pytest.mark.parametrize(
    "generations", [(1, 2), (2, 1), (5, 5), (0x1F, 0x9), (0xFFFFFFF0, 3), (1, None), (None, 1), (None, None)]
)
def test_the_newer_valid_copy_counts(script, generations, stuck):
    sectors = []
    for active, generation in zip("ab", generations, strict=True):
        one = record(active, "b" if active == "a" else "a", left=2, tries=3).replace(generation=generation or 0)
        sectors.append(DAMAGED if generation is None else encode(one))
    compare(script, sectors, {"a": Slot("good", 1), "b": Slot("good", 1)}, stuck)


@pytest.mark.parametrize("newer", [0, 1])
@pytest.mark.parametrize("failing_read", [0, 1, 2, 3])
def test_a_read_of_the_record_that_fails_once_lets_nothing_old_start(script, newer, failing_read):
    """Whichever read it is. Where the record was seen and is then gone, the next pass looks again."""
    one = record(index=2, active="b")
    copies = [encode(one), encode(one.replace(generation=6))]
    sectors = copies if newer == 0 else copies[::-1]
    for epoch in (1, 2):
        slots = {"a": Slot("good", epoch), "b": Slot("good", epoch)}
        machine = Uboot(script, list(sectors), slots, False, WORDS[SILENT])
        machine.failing_read = failing_read
        trace = machine.power_on()
        if newer == 0 and failing_read == 3:
            assert trace == []
            assert machine.sectors == sectors
            trace = Uboot(script, machine.sectors, slots, False, machine.word).power_on()
        assert [step.slot for step in trace if isinstance(step, Start)] == ["b"] * (epoch - 1)


@pytest.mark.parametrize(
    ("part", "rule", "changed"),
    [
        ("cw_trial", "setexpr left ${left} - 1", "setexpr left ${left} - 0"),
        ("cw_count", "test ${said} = 0", "test ${said} != 2"),
        ("cw_look", "mw.l", "mw.l 0x6000 63770074 # "),
        ("cw_verify", "mw.l 0x6000 63770063", "mw.l 0x6000 0"),
    ],
    ids=["never counts down", "counts what was announced", "keeps the word", "marks nothing"],
)
def test_a_script_with_another_rule_is_caught(script, part, rule, changed):
    """The controls."""
    other = dict(script)
    assert rule in other[part]
    other[part] = other[part].replace(rule, changed, 1)
    one = record("a", "b", left=3, said=1)
    refused = {"a": Slot("rubbish", 0), "b": Slot("rubbish", 0)}
    both = {"a": Slot("good", 1), "b": Slot("good", 1)}

    def play():
        for slots, ended in itertools.product((both, refused), (TRIAL, COMMITTED)):
            compare(other, [encode(one), DAMAGED], slots, ended=ended)
            compare(other, [encode(one.replace(trial="-")), DAMAGED], slots, ended=ended)

    with pytest.raises(AssertionError):
        play()
