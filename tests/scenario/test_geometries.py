"""The power fails at every operation of a camera's life, on disks of several shapes; careless installers are caught.

The life is an update, its commit, a rollback and a second update. Each shape has its controls: an installer that writes
the active slot, one that arms before it flushes, a device whose flush does nothing, and a layout whose two copies of
the boot record share an erase block. Every one of them must fail, and the careful twin must not.
"""

from itertools import product
from typing import NamedTuple

import pytest

from agent.formats import boot_record
from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.world.boot import RecordSectors
from firmware_sim.world.disk import SECTOR_BYTES, StrictBlockDevice
from firmware_sim.world.firmware import Geometry, build
from firmware_sim.world.power import ERASED, FADED, KEPT, LOST, SPLIT, TORN, PowerCut
from firmware_sim.world.world import Bricked
from tests.scenario.boot_records import raw_boot_control
from tests.scenario.chapters import FIRST, always, chapters, ends_with, told
from tests.scenario.looks import PROGRESS, fetched_blocks, journalled
from tests.scenario.stage import SMALL, Stage
from tests.scenario.sweep import sweep


class Shape(NamedTuple):
    """A geometry, and the outcomes of a cut that it is swept with.

    `real`: its agent writes the boot record as it does on Linux, in whole erase blocks; elsewhere the world's twin
    does, by the sector, as the boot loader does everywhere.
    """

    name: str
    geometry: Geometry
    outcomes: tuple[str, ...]
    real: bool = False


SHAPES = (
    Shape("an odd number of blocks", SMALL, (LOST, KEPT, TORN, ERASED)),
    Shape("a slot that is exactly full", Geometry(slot_blocks=8, root_blocks=7), (TORN, SPLIT, FADED)),
    Shape("16 blocks in an erase block", Geometry(48, 36, erase_bytes=65536), (TORN, ERASED, FADED), real=True),
    Shape("32 blocks, exactly full", Geometry(64, 63, erase_bytes=131072), (ERASED, SPLIT), real=True),
)
LARGE = Geometry(slot_blocks=2208, root_blocks=2200, erase_bytes=131072)
"""The small ones write their journal once; here there is one in the middle of the download."""


@pytest.fixture(scope="module", params=SHAPES, ids=[shape.name for shape in SHAPES])
def shaped(request, tmp_path_factory):
    stage = Stage(request.param.geometry)
    if request.param.real:
        stage.idle.make_boot = raw_boot_control(tmp_path_factory.mktemp("boot") / "cmdline")
    return request.param, stage


def test_a_cut_at_every_operation_of_two_updates_a_commit_and_a_rollback(shaped):
    shape, stage = shaped
    visited = []
    for chapter in chapters(stage):
        swept = sweep(chapter.make, chapter.story, chapter.check, outcomes=shape.outcomes)
        assert swept.failures == [], chapter.name
        assert len(swept.cuts) == len(swept.operations) * len(shape.outcomes)
        # No operation is left out: the dry run's are those that its world counted, and each kind is among them.
        dry = chapter.make(0)
        chapter.story(dry)
        assert swept.operations == dry.power.trace
        assert len(dry.power.trace) == dry.power.count
        kinds = {operation.split()[0] for operation in swept.operations}
        assert kinds == {"write", "flush", "store", "append", "delete"}
        records = [f"write {at}+{SECTOR_BYTES}" for at in stage.geometry.record_offsets()]
        if shape.real:
            records += [f"write {at}+{stage.geometry.erase_bytes}" for at in stage.geometry.record_offsets()]
        assert all(record in swept.operations for record in records), "a copy of the boot record was never written"
        visited.append(chapter.name)
    assert visited == ["update and commit", "rollback", "second update"]


def test_every_block_is_written_in_whole_erase_blocks_of_the_inactive_slot(shaped):
    _, stage = shaped
    world = stage.world(FIRST)
    ends_with(FIRST, "committed")(world)
    size = stage.geometry.erase_bytes
    places = [what.split()[1].split("+") for what in world.power.trace if what.startswith("write")]
    begin = stage.geometry.slot_offset("b")
    slot_writes = [(int(at), int(length)) for at, length in places if int(at) >= begin]
    assert {int(at) for at, _ in places} - {at for at, _ in slot_writes} <= set(stage.geometry.record_offsets())
    assert all(at % size == 0 and length % size == 0 for at, length in slot_writes)
    written = sorted(place for at, length in slot_writes for place in range(at, at + length, size))
    image_end = begin + stage.geometry.image_bytes()
    assert written == list(range(begin, image_end, size)), "an erase block was left out, or written more than once"


def test_after_a_cut_in_a_large_download_no_journalled_block_is_lost_or_fetched_again():
    """Some of the cuts fall into an erase block of which the journal has seen one part, while the rest is written.

    Cut is every operation from just before the first journal to the second; what comes before and after is swept on
    the small disks alone.
    """
    stage = Stage(LARGE)
    story = ends_with(FIRST, "committed")
    dry = stage.world(FIRST)
    story(dry)
    journals = [index for index, what in enumerate(dry.power.trace) if what == f"store {PROGRESS}"]
    assert len(journals) >= 2
    offset, wanted = stage.geometry.slot_offset("b"), build(LARGE, FIRST)
    for index, outcome in product(range(journals[0] - 1, journals[1]), (TORN, ERASED)):
        world = stage.world(FIRST, index)
        world.power.cut_at(index, outcome)
        with pytest.raises(PowerCut):
            story(world)
        known = journalled(world)
        assert bool(known) or index <= journals[0]
        for block in known:
            at = block * BLOCK_BYTES
            held = world.medium.content[offset + at : offset + at + BLOCK_BYTES]
            assert held == wanted[at : at + BLOCK_BYTES], f"journalled block {block} was lost"
        begin = len(world.server.exchanges)
        story(world)
        always(world, "a", "1.0.0")
        assert not set(fetched_blocks(world, begin)) & known


# --- controls: each of these must be caught


class DeafDevice(StrictBlockDevice):
    """A device whose flush was removed."""

    def flush(self) -> None:
        self._medium.power.operation("flush that does nothing")


def test_control_a_removed_flush_is_caught(shaped):
    _, stage = shaped
    world = stage.world(FIRST)
    world.make_device = DeafDevice
    world.power_on()
    world.run_until(lambda: told(world, "refused"))
    assert len(world.boots) == 1, "what was never flushed was armed"


class Naive(NamedTuple):
    """How people write installers: no verification, no journal; straight onto the hardware, then a restart."""

    name: str
    slot: str = "b"
    arm_before_flush: bool = False
    shared: bool = False  # both copies of the boot record in one erase block
    caught: bool = True

    def install(self, world):
        world.power.restore()
        geometry = world.geometry
        image = build(geometry, FIRST)
        image += bytes(geometry.slot_bytes() - len(image))
        offset, size = geometry.slot_offset(self.slot), geometry.erase_bytes
        disk = StrictBlockDevice(world.medium, [(offset, geometry.slot_bytes())], size)
        for at in range(0, len(image), size):
            disk.write(offset + at, image[at : at + size])
        if not self.arm_before_flush:
            disk.flush()
        sectors = self.sectors(world)
        record, copy = sectors.load()
        sectors.save(copy, record.replace(generation=record.generation + 1, active=self.slot))
        if self.arm_before_flush:
            disk.flush()
        world.power_cut()
        world.power_on()

    def sectors(self, world):
        first, second = world.geometry.record_offsets()
        second = first + SECTOR_BYTES if self.shared else second
        handle = StrictBlockDevice(world.medium, [(first, SECTOR_BYTES), (second, SECTOR_BYTES)], SECTOR_BYTES)
        return RecordSectors(handle, (first, second))


NAIVE = (
    Naive("writes the active slot", slot="a"),
    Naive("arms before it flushes", arm_before_flush=True),
    Naive("does it right", caught=False),
)


@pytest.mark.parametrize("naive", NAIVE, ids=[naive.name for naive in NAIVE])
def test_control_a_naive_installer_is_caught(shaped, naive):
    shape, stage = shaped

    def check(world, cut):
        assert all(boot.sound for boot in world.boots), "a slot was started that does not verify"
        assert world.record().active == world.boots[-1].slot, "the committed slot does not boot"

    swept = sweep(
        stage.world_with_seed,
        naive.install,
        check,
        after=lambda world: world.agent is None and world.power_on(),
        outcomes=shape.outcomes,
    )
    assert len(swept.cuts) == len(swept.operations) * len(shape.outcomes)
    assert bool(swept.failures) == naive.caught, swept.failures


def test_control_two_copies_of_the_boot_record_in_one_erase_block_are_caught(shaped):
    """With the copies apart, one cut loses one copy; together, it loses both, and with them which slot is committed."""
    _, stage = shaped
    for naive, survives in ((Naive("apart"), True), (Naive("together", shared=True), False)):
        world = stage.world_with_seed(1)
        world.power.restore()
        sectors = naive.sectors(world)
        record, copy = sectors.load()
        sectors.save(copy, record)
        world.power.cut_at(world.power.count + 1, ERASED)
        with pytest.raises(PowerCut):
            sectors.save(1 - copy, record.replace(generation=record.generation + 1))
        world.power.restore()
        found, _ = naive.sectors(world).load()
        assert (found is not None) is survives
    assert isinstance(stage.world().record(), boot_record.BootRecord)


def test_control_a_camera_with_no_slot_that_verifies_is_bricked(shaped):
    """What the sweep would say of a camera that does not come up: without this it could not fail in that way."""
    _, stage = shaped
    world = stage.world()
    for slot in ("a", "b"):
        world.put(slot, bytes(stage.geometry.slot_bytes()))
    with pytest.raises(Bricked):
        world.power_on()
