"""A bad line, a bad mirror, a bad disk: an update goes on, or is refused; the active slot is never touched."""

import pytest

from agent.formats import boot_record
from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.world.network import ABSENT, DROP, ENDLESS, FLIP, RESET, SHIFTED, STALL, Fault
from tests.scenario.looks import PROGRESS, events, fetched_blocks, inactive, reports, running, settled

SLOT, TREE = ".slot", ".tree"
IMAGE_BLOCKS = 13
LOOKED_IN_VAIN = "what to install cannot be found out now"


def run(world, version="1.1.0"):
    world.power_on()
    world.run_until(lambda: settled(world, version))


@pytest.mark.parametrize("kind", [DROP, RESET])
@pytest.mark.parametrize("at_block", [1, 2, 4, 7, 12])
def test_a_dropped_connection_resumes(stage, kind, at_block):
    world = stage.world("1.1.0")
    world.server.fail(Fault(kind, SLOT, at_block * BLOCK_BYTES + 100, 1))
    run(world)
    exchanges = [one for one in world.server.exchanges if one.path.endswith(SLOT)]
    cut_short = [one for one in exchanges if one.served_bytes < one.length_bytes]
    assert len(cut_short) == 1
    usable = exchanges if kind == DROP else [one for one in exchanges if one not in cut_short]
    blocks = [
        one.offset_bytes // BLOCK_BYTES + index for one in usable for index in range(one.served_bytes // BLOCK_BYTES)
    ]
    assert len(blocks) == len(set(blocks)), "a block that had come was fetched again"
    assert "refused" not in events(world)


def test_a_line_that_drops_every_request_but_a_few_gets_there(stage):
    world = stage.world("1.1.0")
    for block in range(IMAGE_BLOCKS):
        world.server.fail(Fault(RESET, SLOT, block * BLOCK_BYTES, 2))
    for path in ("timestamp", "snapshot", "targets", TREE):
        world.server.fail(Fault(STALL, path, 0, 2))
    run(world)


@pytest.mark.parametrize("seed", range(8))
def test_a_look_that_does_not_get_through_is_soon_done_again(stage, seed):
    world = stage.world("1.1.0", seed)
    world.server.down = True
    world.power_on()
    world.run_until(lambda: any(LOOKED_IN_VAIN in line for line in world.console))
    failed_s = world.clock.now_s
    world.server.heal()
    world.run_until(lambda: world.server.fetched("timestamp"))
    assert world.clock.now_s - failed_s <= 61.0, "half an interval is 150 s"


def test_looks_in_vain_become_as_rare_as_others(stage):
    world = stage.world()
    world.server.down = True
    world.power_on()
    world.run_for(12 * 3600)
    looks = sum(LOOKED_IN_VAIN in line for line in world.console)
    assert 12 * 12 / 2 < looks < 12 * 12 * 1.5, "one in 300 s, in the mean"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FLIP, SLOT, 5000, 1),
        Fault(SHIFTED, SLOT, BLOCK_BYTES, 1),
        Fault(ENDLESS, SLOT, 0, 1),
        Fault(ABSENT, SLOT, 0, 1),
        Fault(STALL, SLOT, 0, 3),
        Fault(FLIP, TREE, 7, 1),
        Fault(ENDLESS, TREE, 0, 1),
        Fault(ABSENT, TREE, 0, 1),
        Fault(RESET, TREE, 40, 2),
    ],
    ids=lambda fault: f"{fault.kind} {fault.path}",
)
def test_what_goes_wrong_once_is_asked_for_again(stage, fault):
    world = stage.world("1.1.0")
    world.server.fail(fault)
    run(world)
    assert world.firmware("a").version == "1.0.0"


def test_a_mirror_that_always_lies_about_one_block_is_refused_and_the_lie_is_never_written(stage):
    world = stage.world("1.1.0")
    lie = 4
    path = next(path for path in world.server.files if path.endswith("1.1.0.slot"))
    body = bytearray(world.server.files[path])
    body[lie * BLOCK_BYTES] ^= 1
    world.server.files[path] = bytes(body)
    before = world.digest()
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    world.run_for(3600)
    after = world.digest()
    assert after["a"] == before["a"]
    assert running(world) == "1.0.0"
    written = world.slot_bytes("b")[lie * BLOCK_BYTES : (lie + 1) * BLOCK_BYTES]
    assert written == bytes(BLOCK_BYTES)
    assert len(world.boots) == 1


def test_a_release_that_does_not_fit_the_slot_is_refused(stage):
    from firmware_sim.world.firmware import Geometry, build
    from firmware_sim.world.repository import make_release

    large = Geometry(slot_blocks=20, root_blocks=18)
    world = stage.world()
    stage.operator.add(make_release(build(large, "4.0.0"), "4.0.0", 1))
    stage.assign(world, "4.0.0")
    before = world.digest()
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert [report.code for report in reports(world) if report.event == "refused"] == ["image_too_large"]
    assert (world.digest()["a"], world.digest()["b"]) == (before["a"], before["b"])


def test_a_journal_that_is_damaged_or_lies_is_recovered_from(stage):
    for journal in (b"", b"rubbish", b"\xff" * 35):
        world = stage.world("1.1.0")
        world.documents.content[PROGRESS] = journal
        run(world)


def test_a_journal_that_names_blocks_which_the_medium_lost(stage):
    """The read back finds them, and they are fetched again."""
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: len(fetched_blocks(world)) >= 4 and PROGRESS in world.documents.content)
    world.power_cut()
    offset = stage.geometry.slot_offset(inactive(world))
    world.medium.content[offset : offset + 3 * BLOCK_BYTES] = bytes(3 * BLOCK_BYTES)
    run(world)


def test_a_bad_sector_in_the_inactive_slot_arms_nothing(stage):
    world = stage.world("1.1.0")
    world.medium.bad_sectors.add((stage.geometry.slot_offset("b") + 2 * BLOCK_BYTES) // 512)
    world.power_on()
    world.run_for(12 * 3600)
    assert running(world) == "1.0.0"
    assert len(world.boots) == 1
    world.medium.bad_sectors.clear()
    world.run_until(lambda: settled(world, "1.1.0"))


def test_a_read_only_disk_arms_nothing(stage):
    world = stage.world("1.1.0")
    world.power_on()
    world.medium.read_only = True
    world.run_for(12 * 3600)
    assert len(world.boots) == 1
    world.medium.read_only = False
    world.run_until(lambda: settled(world, "1.1.0"))


def test_a_start_on_a_read_only_disk_whose_boot_record_has_lost_its_index_is_a_start(stage):
    """The agent goes by the other copy of the index, and brings it back once the disk takes it."""
    world = stage.world("1.1.0")
    world.power_on()
    world.run_for(1)
    lost = boot_record.encode(world.record().replace(rollback_index=0))
    world.power_cut()
    for at in stage.geometry.record_offsets():
        world.medium.content[at : at + len(lost)] = lost
    world.medium.read_only = True
    world.power_on()
    world.run_for(600)
    assert world.ports.rollback.read() == 1
    assert world.record().rollback_index == 0
    assert any("rollback index" in line for line in world.console)
    assert world.admin("status")["ok"]
    world.medium.read_only = False
    world.restart()
    world.run_for(1)
    assert world.record().rollback_index == 1


def test_a_full_data_partition_arms_nothing_and_recovers(stage):
    world = stage.world("1.1.0")
    world.power_on()
    used = sum(len(body) for body in world.documents.content.values())
    world.documents.room_bytes = used
    world.run_for(12 * 3600)
    assert len(world.boots) == 1
    world.documents.room_bytes = used + 1024 * 1024
    world.run_until(lambda: settled(world, "1.1.0"))


@pytest.mark.parametrize("asked", [True, False])
def test_who_asks_for_a_look_while_the_camera_is_busy_gets_it_afterwards(stage, asked):
    world = stage.world("1.1.0")
    path = next(path for path in world.server.files if path.endswith("1.1.0.slot"))
    body = bytearray(world.server.files[path])
    body[-1] ^= 1
    world.server.files[path] = bytes(body)
    world.power_on()
    world.run_until(lambda: world.server.fetched(path))
    if asked:
        world.link.events.append(("message", f"camward/1/{world.device_id}/down/command", b"{}"))
    world.run_until(lambda: "refused" in events(world))
    looks = len([one for one in world.server.exchanges if one.path.endswith("/timestamp.json")])
    world.run_for(10)
    again = len([one for one in world.server.exchanges if one.path.endswith("/timestamp.json")])
    assert (again > looks) is asked  # without being asked, a refusal is followed by a pause
