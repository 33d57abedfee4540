"""The power fails at every operation of an update, of a commit and of a rollback; the camera always ends up well."""

import pytest

from agent.formats import boot_record
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import Unavailable
from firmware_sim.world.boot import FRESH, RecordSectors
from firmware_sim.world.disk import SECTOR_BYTES, StrictBlockDevice
from firmware_sim.world.factory import CHECK_INTERVAL_S
from firmware_sim.world.firmware import DEAD_SERVICES, build
from firmware_sim.world.power import OUTCOMES
from tests.scenario.looks import events, fetched_blocks, phase, running, settled
from tests.scenario.sweep import sweep

ROLLBACK_VERSION = "1.2.0"


def told(world, event):
    return event in events(world)


def committed(world):
    """The story: 1.1.0 is assigned; wait until it is committed and the operator knows."""
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, "1.1.0") and told(world, "committed"))


def rolled_back(world):
    """The story: a version whose services are dead is assigned; wait until the operator knows that it rolled back."""
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, "1.0.0") and told(world, "rolled_back"))


def always(world):
    """What must hold after every cut, whatever the story."""
    assert all(boot.sound for boot in world.boots), "a slot was started that does not verify"
    assert world.firmware("a").version == "1.0.0", "the active slot was touched"
    known = world.admin("status")
    assert known["slot"] == world.boots[-1].slot, "the agent does not know which slot it runs from"
    assert known["version"] == running(world)


def check_committed(world, cut):
    always(world)
    # A cut between saving a phase and queueing its news may cost "started" or "installed", never the outcome.
    assert "committed" in events(world)
    assert not {"rolled_back", "refused", "failed"} & set(events(world))
    again = set(fetched_blocks(world, cut.exchanges)) & cut.journalled
    assert not again, f"journalled blocks were fetched again: {again}"


def check_rolled_back(world, cut):
    always(world)
    assert not {"committed", "refused", "failed"} & set(events(world))
    world.run_for(4 * CHECK_INTERVAL_S)
    assert phase(world) == "idle"
    assert running(world) == "1.0.0"
    trials = [boot for boot in world.boots if boot.on_trial]
    assert 1 <= len(trials) <= 3, "the version that failed was tried again"


def complete(swept):
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations) * len(OUTCOMES)


def test_a_cut_at_every_operation_of_an_update_and_its_commit(stage):
    stage.world("1.1.0")
    swept = sweep(lambda seed: stage.world("1.1.0", seed), committed, check_committed)
    complete(swept)
    kinds = {operation.split()[0] for operation in swept.operations}
    assert kinds == {"write", "flush", "store", "delete"}
    slot_writes = [operation for operation in swept.operations if operation.endswith(f"+{BLOCK_BYTES}")]
    assert len(slot_writes) == stage.geometry.root_blocks + 1


def test_a_cut_at_every_operation_of_a_rollback(stage):
    if ROLLBACK_VERSION not in stage.operator.releases:
        stage.release(ROLLBACK_VERSION, behaviour=DEAD_SERVICES)
    complete(sweep(lambda seed: stage.world(ROLLBACK_VERSION, seed), rolled_back, check_rolled_back))


# --- controls: each of these must be caught


class DeafDevice(StrictBlockDevice):
    """A device whose flush was removed."""

    def flush(self) -> None:
        self._medium.power.operation("flush that does nothing")


def test_control_a_removed_flush_is_caught(stage):
    def make(seed):
        world = stage.world("1.1.0", seed)
        world.make_device = DeafDevice
        return world

    world = make(0)
    world.power_on()
    world.run_until(lambda: told(world, "refused"))
    assert len(world.boots) == 1, "what was never flushed was armed"


def naive(world, slot, arm_before_flush):
    """An installer as people write them: no verification, no journal; straight onto the hardware, then a restart."""
    world.power.restore()
    image = build(world.geometry, "1.1.0")
    offset = world.geometry.slot_offset(slot)
    disk = StrictBlockDevice(world.medium, [(offset, world.geometry.slot_bytes())], BLOCK_BYTES)
    for at in range(0, len(image), BLOCK_BYTES):
        disk.write(offset + at, image[at : at + BLOCK_BYTES])
    if not arm_before_flush:
        disk.flush()
    first, second = world.geometry.record_offsets()
    handle = StrictBlockDevice(world.medium, [(first, SECTOR_BYTES), (second, SECTOR_BYTES)], SECTOR_BYTES)
    sectors = RecordSectors(handle, (first, second))
    record, copy = sectors.load()
    sectors.save(copy, record.replace(generation=record.generation + 1, active=slot))
    if arm_before_flush:
        disk.flush()
    world.power_cut()
    world.power_on()


@pytest.mark.parametrize(
    ("slot", "arm_before_flush", "caught"),
    [("a", False, True), ("b", True, True), ("b", False, False)],
    ids=["writes the active slot", "arms before it flushes", "does it right"],
)
def test_control_a_naive_installer_is_caught(stage, slot, arm_before_flush, caught):
    def check(world, cut):
        assert all(boot.sound for boot in world.boots), "a slot was started that does not verify"
        assert world.record().active == world.boots[-1].slot, "the committed slot does not boot"

    swept = sweep(
        lambda seed: stage.world(None, seed),
        lambda world: naive(world, slot, arm_before_flush),
        check,
        after=lambda world: world.agent is None and world.power_on(),
    )
    assert bool(swept.failures) == caught, swept.failures


def test_both_copies_of_the_boot_record_damaged(stage):
    """Slot A starts as on a new camera, and the agent writes the record again."""
    world = stage.world()
    for at in stage.geometry.record_offsets():
        world.medium.content[at : at + SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
    with pytest.raises(Unavailable):
        world.record()
    world.power_on()
    world.run_for(600)
    assert world.boots[-1].slot == FRESH.active
    assert world.record().tries == 0, "the agent did not write the record again"


def test_a_damaged_committed_slot_gives_way_and_is_repaired_by_the_next_update(stage):
    world = stage.world("1.1.0")
    committed(world)
    world.power_cut()
    offset = stage.geometry.slot_offset("b") + stage.geometry.fit_offset()
    world.medium.content[offset] ^= 1
    world.power_on()
    assert running(world) == "1.0.0"
    world.run_until(lambda: settled(world, "1.1.0"))
    assert world.boots[-1].slot == "b"


def test_one_damaged_copy_of_the_boot_record_changes_nothing(stage):
    for copy in (0, 1):
        world = stage.world()
        at = stage.geometry.record_offsets()[copy]
        world.medium.content[at : at + SECTOR_BYTES] = bytes(SECTOR_BYTES)
        world.power_on()
        world.run_for(600)
        assert world.boots[-1].slot == "a"
        assert isinstance(world.record(), boot_record.BootRecord)
