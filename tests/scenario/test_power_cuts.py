"""The power fails at every operation of an update, of a commit and of a rollback; the camera always ends up well."""

import pytest

from agent.formats import boot_record
from agent.formats.boot_record import FRESH
from agent.formats.errors import Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.disk import SECTOR_BYTES
from firmware_sim.world.firmware import Geometry
from firmware_sim.world.power import OUTCOMES, TORN, PowerCut
from tests.scenario.looks import PROGRESS, fetched_blocks, journalled, running, settled
from tests.scenario.stage import Stage

ROLLBACK_VERSION = "1.2.0"


def told(world, event):
    """Whether a report of this event has arrived; parsing all of them in each turn would be slow."""
    return any(b'"event":"' + event.encode() + b'"' in payload for payload in world.broker.on("/up/report"))


def committed(world):
    """The story: 1.1.0 is assigned; wait until it is committed and the operator knows."""
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, "1.1.0") and told(world, "committed"))


def always(world):
    """What must hold after every cut, whatever the story."""
    assert all(boot.sound for boot in world.boots), "a slot was started that does not verify"
    assert world.firmware("a").version == "1.0.0", "the active slot was touched"
    known = world.admin("status")
    assert known["slot"] == world.boots[-1].slot, "the agent does not know which slot it runs from"
    assert known["version"] == running(world)


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
    first, second = journals[:2]
    assert second > first + 6, "no writes between two journals: this cuts nothing"
    for index in (first - 1, first, first + 1, (first + second) // 2, second - 2):
        world = large_stage.world("1.1.0", index)
        world.power.cut_at(index, TORN)
        with pytest.raises(PowerCut):
            committed(world)
        known = journalled(world)
        assert bool(known) == (index > first) or index == first
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
