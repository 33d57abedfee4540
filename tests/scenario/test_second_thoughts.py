"""An installation whose circumstances change under way: blocks that rot, a line that breaks, other orders."""

from types import SimpleNamespace

import pytest

from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import Unavailable
from tests.scenario.bundles import PUBLIC, STICK, installed, lonely, make, publish
from tests.scenario.looks import events, fetched_blocks, journalled, phase, reports, settled
from tests.scenario.stage import Stage
from tests.scenario.test_installing import (
    BLOCKS,
    GEOMETRY,
    KEY,
    MONTH_BYTES,
    NEIGHBOUR,
    announce,
    camera,
    mirrored,
    new_blocks,
    served,
    slot_path,
    spent,
)

SLOW = 4096  # bytes per second: the journal is written several times


@pytest.fixture(scope="module")
def wide():
    stage = Stage(GEOMETRY)
    stage.release("1.1.0")
    return stage


def installing_of(world):
    return world.agent._updating._writing._installing


def test_a_block_that_rots_after_the_plan_is_brought_the_way_it_would_have_been(wide):
    """Of a confidential release: its plain image is nowhere, so nobody may ask for it."""
    world = camera(wide, lambda world: announce(world, KEY, list(range(BLOCKS)), origin=False), max_bytes_per_s=SLOW)
    del world.server.files[slot_path(wide)]
    world.power_on()
    world.run_until(lambda: journalled(world))
    rotten = min(journalled(world))
    world.power_cut()
    world.power_on()
    world.run_until(lambda: installing_of(world) is not None and installing_of(world)._filling._planned_for >= 0)
    assert installing_of(world)._medium.has(rotten)
    at = world.geometry.slot_offset("b") + rotten * BLOCK_BYTES
    world.medium.content[at : at + BLOCK_BYTES] = bytes(BLOCK_BYTES)
    world.run_until(lambda: settled(world, "1.1.0") or "refused" in events(world))
    assert "refused" not in events(world), [report.detail for report in reports(world)]
    assert not [one for one in world.server.exchanges if one.path.endswith(".slot")]
    assert world.boots[-1].sound


def test_what_has_come_before_the_line_broke_is_not_demanded_of_the_months_bytes_again(wide):
    size = len(new_blocks(GEOMETRY)) * BLOCK_BYTES
    world = spent(camera(wide, max_bytes_per_month=MONTH_BYTES), size + 20_000)
    world.power_on()
    real, broken = world.ports.downloader.read, []

    def read(source, path, offset, *rest):
        if ".slot" in path and offset > new_blocks(GEOMETRY)[-10] * BLOCK_BYTES and not broken:
            broken.append(offset)
            raise Unavailable("the line broke")
        return real(source, path, offset, *rest)

    world.ports.downloader.read = read
    world.run_until(lambda: settled(world, "1.1.0") or "refused" in events(world))
    assert broken
    assert "refused" not in events(world), [report.detail for report in reports(world)]
    assert sorted(fetched_blocks(world)) == new_blocks(GEOMETRY)


def test_the_piece_that_came_last_before_the_months_bytes_were_used_up_is_kept(wide):
    """More is fetched than was foreseen, since the active slot cannot be read: it ends with the month's bytes."""
    world = spent(camera(wide, max_bytes_per_month=MONTH_BYTES), len(new_blocks(GEOMETRY)) * BLOCK_BYTES + 30_000)
    begin = world.geometry.slot_offset("a") // 512
    world.power_on()
    world.run_until(lambda: installing_of(world) is not None and installing_of(world)._filling._planned_for >= 0)
    world.medium.unreadable |= set(range(begin, begin + GEOMETRY.fit_offset() // 512))
    world.run_until(lambda: "refused" in events(world) or settled(world, "1.1.0"))
    assert [report.code for report in reports(world) if report.event == "refused"] == ["byte_budget"]
    assert set(fetched_blocks(world)) <= journalled(world)
    assert len(fetched_blocks(world)) == len(set(fetched_blocks(world)))


def test_a_neighbour_that_keeps_hanging_up_does_not_keep_the_update_waiting(wide):
    """It sends one block, and then nothing in time: every such answer would cost ten seconds."""
    world = camera(wide, lambda world: mirrored(world, NEIGHBOUR))
    world.power_on()
    real = world.ports.downloader.read

    def read(source, path, offset, end, most, align):
        if not source.device or ".slot" not in path:
            return real(source, path, offset, end, most, align)
        body = real(source, path, offset, end, most, align)
        world.clock.advance(10)
        return body[:align] if body and len(body) > align else body

    world.ports.downloader.read = read
    begin = world.clock.now_s
    world.run_until(lambda: settled(world, "1.1.0"))
    assert served(world.mirrors[NEIGHBOUR], ".slot") > 0
    assert len([one for one in world.mirrors[NEIGHBOUR].exchanges if ".slot" in one.path]) <= 6
    assert world.clock.now_s - begin < 600
    assert "source_lied" not in events(world)


def test_an_order_at_the_camera_ends_a_look_that_is_under_way():
    """Each stores what it has accepted: two at once would overwrite each other's."""
    stage = Stage()
    world = lonely(stage, PUBLIC)
    stage.release("1.1.0")
    publish(stage, world)
    ordering = world.agent._ordering
    real, asked = world.ports.releases.get, []

    def get(path, most):
        asked.append(path)
        return real(path, most)

    world.ports.releases.get = get
    world.run_until(lambda: bool(asked))
    first = ordering._look
    assert not first._stopped
    world.sticks[STICK] = make(stage.operator, "1.1.0")
    assert world.admin("install", path=STICK)["ok"]
    assert first._stopped
    assert ordering._look is not first
    world.run_until(lambda: installed(world, "1.1.0"))


def test_a_look_during_a_wait_that_an_order_has_ended_does_not_keep_the_next_wait_from_looking(stage):
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: phase(world) == "waiting")
    updating = world.agent._updating
    updating.waiting._looking = True
    assert updating.make_way() == ""
    assert phase(world) == "idle"
    assert not updating.waiting._looking


def test_slots_are_hashed_while_a_look_is_under_way_and_not_while_one_is_written(stage):
    world = stage.world("1.1.0")
    world.power_on()
    seen = {}
    world.run_until(
        lambda: seen.setdefault(phase(world), world.agent._updating.calm()) is None or phase(world) == "waiting"
    )
    assert seen.pop("idle", True)
    assert seen.pop("checking", True)
    assert "installing" in seen
    assert not any(seen.values()), seen
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(4 * 3600)
    assert {"update/slot-a.tree", "update/slot-b.tree"} <= set(world.documents.content)


def test_the_same_operator_again_does_not_end_the_look_of_an_order(stage):
    """Its end would never be heard: the update would look for ever."""
    world = stage.world(None)
    world.power_on()
    world.run_for(200)
    ordering = world.agent._ordering
    assert ordering.director_root is not None
    look = SimpleNamespace(stopped=False)
    look.stop = lambda: setattr(look, "stopped", True)
    ordering._look, ordering.under_way = look, "bundle"
    ordering.enrolled(ordering.director_root)
    assert not look.stopped
    ordering.under_way = ""
    ordering.enrolled(ordering.director_root)
    assert look.stopped
