"""The power fails at every operation of the boot record's own writer: what is read afterwards is the old or the new."""

import pytest

from agent.adapters.linux.boot_control import READS
from agent.core import slots
from agent.formats import boot_record
from agent.formats.boot_record import FRESH
from agent.formats.errors import Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.disk import BLANK, SECTOR_BYTES, Medium
from firmware_sim.world.power import DISK_OUTCOMES, ERASED, KEPT, SPLIT, TORN, Power, PowerCut
from tests.scenario.boot_records import on_medium

SIZES = (4096, 131072)
SEEDS = {TORN: 8, SPLIT: 32}
"""Chance decides what is left; elsewhere nothing is left to it."""
LIFE = (
    slots.announce,
    lambda record: slots.arm(record, slots.other(record.active)),
    lambda record: record.replace(left=record.left - 1),
    lambda record: slots.commit(record, record.trial),
    lambda record: slots.raise_index(record, record.rollback_index + 1),
)
"""What an update makes of the record, one write after the other; then the next update does, with the slots swapped."""


class Disk:
    """Four erase blocks, a record in the second, and beside both copies what belongs to somebody else."""

    def __init__(self, size, seed=0, shared=False):
        self.power = Power(seed)
        self.medium = Medium(4 * size, self.power, size)
        self.medium.content[:] = Chance("beside").bytes(64) * (4 * size // 64)
        self.offsets = (size, size + SECTOR_BYTES if shared else 2 * size)
        self.medium.content[size : size + SECTOR_BYTES] = boot_record.encode(FRESH.replace(generation=1))
        second = self.offsets[1]
        self.medium.content[second : second + SECTOR_BYTES] = BLANK * SECTOR_BYTES

    def control(self, tmp_path):
        self.power.restore()
        return on_medium(self.medium, self.offsets, tmp_path / "cmdline")

    def live(self, tmp_path, known):
        """Two updates; `known` holds the record that was written last, and the one that is being written."""
        control = self.control(tmp_path)
        for change in LIFE + LIFE:
            record = control.read()
            known[:] = [record, change(record).replace(generation=record.generation + 1)]
            control.write(change(record))


def cuts(size, tmp_path, outcome, shared=False):
    """One disk for each operation and seed, cut there: disk, the record before, and the one that was written."""
    dry = Disk(size, shared=shared)
    dry.live(tmp_path, [])
    assert len(dry.power.trace) == 2 * 2 * len(LIFE)  # a write and a flush each
    for index in range(len(dry.power.trace)):
        for seed in range(SEEDS.get(outcome, 1)):
            disk, known = Disk(size, 1000 * index + seed, shared), []
            disk.power.cut_at(index, outcome)
            with pytest.raises(PowerCut):
                disk.live(tmp_path, known)
            yield disk, known[0], known[1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("outcome", DISK_OUTCOMES)
def test_after_a_cut_at_every_operation_the_old_or_the_new_record_is_read(size, outcome, tmp_path):
    seen = set()
    for disk, old, new in cuts(size, tmp_path, outcome):
        found = disk.control(tmp_path).read()
        assert found in (old, new)
        seen.add(found == new)
        # The next write succeeds, and a third boot reads it.
        control = disk.control(tmp_path)
        control.write(found.replace(tries=7))
        assert disk.control(tmp_path).read() == found.replace(tries=7, generation=found.generation + 1)
        assert disk.medium.content[:size] == (Chance("beside").bytes(64) * (size // 64)), "another block was written"
    assert seen == {KEPT: {True}, TORN: {True, False}, SPLIT: {True, False}}.get(outcome, {False})


@pytest.mark.parametrize("size", SIZES)
def test_what_shares_an_erase_block_with_a_copy_stays(size, tmp_path):
    disk = Disk(size)
    before = bytes(disk.medium.content)
    disk.live(tmp_path, [])
    for at in disk.offsets:
        assert disk.medium.content[at + SECTOR_BYTES : at + size] == before[at + SECTOR_BYTES : at + size]


def test_a_split_sector_is_neither_the_old_nor_the_new_one(tmp_path):
    """Without this, nothing above would show that a copy was damaged."""
    damaged = 0
    for disk, old, new in cuts(SIZES[0], tmp_path, SPLIT):
        whole = [boot_record.encode(record) for record in (old, new)]
        copies = [bytes(disk.medium.content[at : at + SECTOR_BYTES]) for at in disk.offsets]
        other = next(copy for copy in copies if copy != whole[0])
        assert whole[0] in copies, "the copy that counts was touched"
        damaged += other != whole[1] and other[:1] == whole[1][:1]
    assert damaged > 100


@pytest.mark.parametrize("size", SIZES)
def test_control_with_both_copies_in_one_erase_block_some_cut_leaves_none(size, tmp_path):
    lost = 0
    for disk, _, _ in cuts(size, tmp_path, ERASED, shared=True):
        try:
            disk.control(tmp_path).read()
        except Unavailable:
            lost += 1
    assert lost


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("copy", [0, 1])
def test_a_copy_that_cannot_be_read_is_written_again_and_what_is_beside_it_stays(size, copy, tmp_path):
    disk = Disk(size)
    control = disk.control(tmp_path)
    control.write(FRESH)
    control.write(FRESH.replace(tries=1))  # by now both are whole
    before = bytes(disk.medium.content)
    disk.medium.fading.add(disk.offsets[copy] // SECTOR_BYTES)
    control = disk.control(tmp_path)
    found = control.read()
    assert found.tries in (0, 1)
    control.write(found.replace(tries=5))
    assert not disk.medium.fading
    assert disk.control(tmp_path).read().tries == 5
    for at in disk.offsets:  # in these 4096 bytes each copy is alone
        assert disk.medium.content[at + 4096 : at + size] == before[at + 4096 : at + size]


def test_a_copy_that_cannot_be_read_the_first_time_is_read_again(tmp_path):
    """Or the older one would count, and be made the newest by the next write."""
    disk = Disk(SIZES[0])
    disk.control(tmp_path).write(FRESH.replace(tries=3))
    control = disk.control(tmp_path)
    read, failures = control._device.read, [Unavailable("not now")] * (READS - 1)

    def unsure(*arguments):
        if failures:
            raise failures.pop()
        return read(*arguments)

    control._device.read = unsure
    assert control.read().tries == 3


def test_where_no_copy_can_be_read_nothing_is_made_up(tmp_path):
    disk = Disk(SIZES[0])
    disk.control(tmp_path).write(FRESH)
    disk.medium.fading.update(at // SECTOR_BYTES for at in disk.offsets)
    with pytest.raises(Unavailable):
        disk.control(tmp_path).read()
