"""The power fails at every operation of an update, of a commit and of a rollback; the camera always ends up well."""

import pytest

from agent.core.slots import RECORDED_FAILURES
from agent.formats import boot_record
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.boot_record import FRESH
from agent.formats.errors import Unavailable
from firmware_sim.world.boot import RecordSectors
from firmware_sim.world.chance import Chance
from firmware_sim.world.disk import SECTOR_BYTES, StrictBlockDevice
from firmware_sim.world.factory import CHECK_INTERVAL_S
from firmware_sim.world.firmware import DEAD_SERVICES, Geometry, build
from firmware_sim.world.power import OUTCOMES, TORN, PowerCut
from tests.scenario.looks import PROGRESS, events, fetched_blocks, journalled, phase, running, settled
from tests.scenario.stage import Stage
from tests.scenario.sweep import sweep

ROLLBACK_VERSION = "1.2.0"


def told(world, event):
    """Whether a report of this event has arrived; parsing all of them in each turn would be slow."""
    return any(b'"event":"' + event.encode() + b'"' in payload for payload in world.broker.on("/up/report"))


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
    world.run_for(1.5 * CHECK_INTERVAL_S)  # one more look into the repositories
    assert phase(world) == "idle"
    assert running(world) == "1.0.0"
    trials = [boot for boot in world.boots if boot.on_trial]
    assert 1 <= len(trials) <= RECORDED_FAILURES + 1, "the version that failed was tried again"


def complete(swept):
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations) * len(OUTCOMES)


def test_a_cut_at_every_operation_of_an_update_and_its_commit(stage):
    stage.world("1.1.0")
    swept = sweep(lambda seed: stage.world("1.1.0", seed), committed, check_committed)
    complete(swept)
    kinds = {operation.split()[0] for operation in swept.operations}
    assert kinds == {"write", "flush", "store", "delete"}
    written = sum(int(what.partition("+")[2]) for what in swept.operations if what.startswith("write "))
    in_records = sum(SECTOR_BYTES for what in swept.operations if what.endswith(f"+{SECTOR_BYTES}"))
    assert written - in_records == (stage.geometry.root_blocks + 1) * BLOCK_BYTES


def test_a_cut_at_every_operation_of_a_rollback(stage):
    if ROLLBACK_VERSION not in stage.operator.releases:
        stage.release(ROLLBACK_VERSION, behaviour=DEAD_SERVICES)
    complete(sweep(lambda seed: stage.world(ROLLBACK_VERSION, seed), rolled_back, check_rolled_back))


LARGE = Geometry(slot_blocks=2202, root_blocks=2200)


@pytest.fixture(scope="module")
def large_stage():
    return Stage(LARGE)


def test_after_a_cut_in_a_large_download_no_journalled_block_is_fetched_again(large_stage):
    """The small geometry writes its journal once; here there is one in the middle of the download."""
    dry = large_stage.world("1.1.0")
    committed(dry)
    journals = [index for index, what in enumerate(dry.power.trace) if what == f"store {PROGRESS}"]
    assert len(journals) >= 2
    for index in (journals[0] - 1, journals[0], journals[0] + 1, journals[0] + 300, journals[1] - 2):
        world = large_stage.world("1.1.0", index)
        world.power.cut_at(index, TORN)
        with pytest.raises(PowerCut):
            committed(world)
        known = journalled(world)
        assert bool(known) == (index > journals[0]) or index == journals[0]
        begin = len(world.server.exchanges)
        committed(world)
        always(world)
        assert not set(fetched_blocks(world, begin)) & known


@pytest.mark.parametrize("seed", range(20))
def test_cuts_one_after_the_other_never_use_up_both_slots(stage, seed):
    """Whether the update is still wanted after so many trials is up to the agent; the next release installs."""
    world = stage.world("1.1.0", seed)
    chance = Chance(f"cuts {seed}")
    for _ in range(6):
        world.power.cut_at(world.power.count + 1 + chance.below(40), OUTCOMES[chance.below(3)])
        try:
            if world.agent is None:
                world.power_on()
            world.run_for(chance.below(900))
            world.power_cut()
        except PowerCut:
            pass
        assert world.firmware("a") is not None or world.firmware("b") is not None
    world.power.cut_at(None)
    if "1.1.1" not in stage.operator.releases:
        stage.release("1.1.1")
    stage.assign(world, "1.1.1")
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.1"))
    assert all(boot.sound for boot in world.boots)
    known = world.admin("status")
    assert (known["slot"], known["version"]) == (world.boots[-1].slot, "1.1.1")


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
    world.power_on()
    world.run_for(60)
    world.power_cut()
    for at in stage.geometry.record_offsets():
        world.medium.content[at : at + SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
    with pytest.raises(Unavailable):
        world.record()
    world.power_on()
    world.run_for(600)
    assert world.boots[-1].slot == FRESH.active
    assert world.record().tries == 0, "the agent did not write the record again"
    assert world.record().rollback_index == 1, "the rollback index was not restored"


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
