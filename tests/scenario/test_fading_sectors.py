"""Sectors that cannot be read until a write has the disk remap them, and some that are lost for good.

They are of the slot to be written, and of the boot record.
"""

import pytest

from agent.app.trial import UNKEPT
from agent.formats import boot_record
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.boot_record import NO_TRIAL
from agent.formats.errors import Unavailable
from firmware_sim.world.disk import SECTOR_BYTES, StrictBlockDevice
from firmware_sim.world.firmware import Geometry
from tests.scenario import boot_records
from tests.scenario.boot_records import raw_boot_control
from tests.scenario.looks import events, reports, settled
from tests.scenario.stage import SMALL, Stage

GEOMETRIES = (SMALL, Geometry(slot_blocks=48, root_blocks=36, erase_bytes=65536))
KNOWN, NEW = 3, 4
"""Blocks that the slot to be written has already, and has not (firmware_sim.world.firmware.build)."""


@pytest.fixture(scope="module", params=GEOMETRIES, ids=["an erase block is a block", "an erase block is 16 blocks"])
def updated(request):
    """A camera that runs 1.1.0 in slot b, with 1.0.0 in slot a; and its stage."""
    stage = Stage(request.param)
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(900)
    world.power_cut()
    stage.release("1.2.0")
    stage.assign(world, "1.2.0")
    assert {"update/slot-a.tree", "update/slot-b.tree"} <= set(world.documents.content)
    return stage, world


def sectors(stage, block):
    first = (stage.geometry.slot_offset("a") + block * BLOCK_BYTES) // SECTOR_BYTES
    return set(range(first, first + BLOCK_BYTES // SECTOR_BYTES))


def updating(updated, hint):
    stage, before = updated
    world = before.copy(0)
    if not hint:
        del world.documents.content["update/slot-a.tree"]
    return stage, world


def refusals(world):
    return [report.code for report in reports(world) if report.event == "refused"]


@pytest.mark.parametrize("hint", [True, False], ids=["by the hint", "hashed"])
@pytest.mark.parametrize("block", [KNOWN, NEW], ids=["in place", "to be written"])
def test_what_cannot_be_read_is_written_and_the_reading_back_decides(updated, block, hint):
    stage, world = updating(updated, hint)
    lost = sectors(stage, block)
    world.medium.fading |= lost
    world.power_on()
    world.run_until(lambda: settled(world, "1.2.0") or refusals(world))
    assert refusals(world) == []
    assert not world.medium.fading, "it was not written"
    assert world.boots[-1].sound


@pytest.mark.parametrize("hint", [True, False], ids=["by the hint", "hashed"])
@pytest.mark.parametrize("block", [KNOWN, NEW], ids=["in place", "to be written"])
def test_what_cannot_be_read_afterwards_either_is_refused_once(updated, block, hint):
    stage, world = updating(updated, hint)
    world.medium.unreadable |= sectors(stage, block)
    before = world.digest()["b"]
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    world.run_for(6 * 3600)
    assert refusals(world) == ["medium"]
    assert world.digest()["b"] == before, "the active slot was touched"
    assert world.boots[-1].version == "1.1.0"
    world.medium.unreadable.clear()  # the control
    world.run_until(lambda: settled(world, "1.2.0"))


@pytest.mark.parametrize("copy", [0, 1])
def test_a_copy_of_the_boot_record_that_cannot_be_read_is_as_good_as_damaged(updated, copy, tmp_path):
    """The other one counts, and the next write repairs it."""
    stage, world = updating(updated, True)
    world.make_boot = raw_boot_control(tmp_path / "cmdline")
    lost = stage.geometry.record_offsets()[copy] // SECTOR_BYTES
    world.medium.fading.add(lost)
    world.power_on()
    world.run_until(lambda: settled(world, "1.2.0"))
    assert refusals(world) == []
    assert not world.medium.fading, "it was not written"
    assert world.boots[-1].sound
    assert world.record().rollback_index == 1


@pytest.mark.parametrize("kind", ["bad_sectors", "unreadable", "forgetful"])
@pytest.mark.parametrize("copy", [0, 1])
def test_a_copy_of_the_boot_record_that_is_lost_for_good_costs_updates_and_nothing_else(updated, copy, kind, tmp_path):
    """In copy 1 is what the last boot has written; without it the camera is where it was before that."""
    stage, world = updating(updated, True)
    world.make_boot = raw_boot_control(tmp_path / "cmdline")
    getattr(world.medium, kind).add(stage.geometry.record_offsets()[copy] // SECTOR_BYTES)
    world.power_on()
    running, slot = world.boots[-1].version, world.boots[-1].slot
    before = world.digest()[slot]
    world.run_for(24 * 3600)
    for _ in range(12):
        world.restart()
        world.run_for(600)
    assert {(boot.version, boot.sound) for boot in world.boots} == {(running, True)}
    assert world.digest()[slot] == before
    assert world.admin("status")["ok"]
    assert "camward-agent: not whole: " + UNKEPT in world.console
    assert refusals(world) == ([] if world.boots[-1].on_trial else ["medium"])


class Doubtful(StrictBlockDevice):
    """Writes, and says that it has not."""

    def flush(self):
        super().flush()
        raise Unavailable("input/output error")


def test_a_record_that_is_written_whatever_the_medium_says_is_gone_by(updated, tmp_path, monkeypatch):
    """Or the boot loader would try, one day, what was refused and is no longer wanted."""
    _, world = updating(updated, True)
    monkeypatch.setattr(boot_records, "StrictBlockDevice", Doubtful)
    world.make_boot = raw_boot_control(tmp_path / "cmdline")
    world.power_on()
    world.run_until(lambda: settled(world, "1.2.0") or refusals(world))
    assert refusals(world) == []
    assert world.record().trial == NO_TRIAL


@pytest.mark.parametrize("kind", ["bad_sectors", "forgetful"])
def test_who_owns_a_camera_whose_boot_record_is_lost_in_a_trial_can_erase_it(updated, kind, tmp_path):
    stage, world = updating(updated, True)
    world.make_boot = raw_boot_control(tmp_path / "cmdline")
    world.power_on()
    world.run_until(lambda: world.boots[-1].on_trial)
    lost = {at // SECTOR_BYTES for at in stage.geometry.record_offsets()}
    getattr(world.medium, kind).update(lost)
    world.run_for(3600)
    assert world.admin("status")["update"]["phase"] == "committing"
    assert world.agent._handover.obstacle() == ""
    getattr(world.medium, kind).clear()
    world.run_until(lambda: settled(world, "1.2.0"))
    assert "camward-agent: whole again: " + UNKEPT in world.console


def test_an_index_that_a_boot_record_does_not_take_refuses_the_update(updated, tmp_path):
    stage, world = updating(updated, True)
    world.make_boot = raw_boot_control(tmp_path / "cmdline")
    for at in stage.geometry.record_offsets():
        lost = boot_record.encode(world.record().replace(rollback_index=0))
        world.medium.content[at : at + len(lost)] = lost
    del world.documents.content["trust/rollback_index"]
    world.medium.forgetful |= {at // SECTOR_BYTES for at in stage.geometry.record_offsets()}
    world.power_on()
    world.run_until(lambda: refusals(world))
    assert refusals(world) == ["medium"]
    assert world.boots[-1].version == "1.1.0"
