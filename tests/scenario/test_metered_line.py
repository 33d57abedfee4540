"""A line on which whole downloads are forbidden, and an active slot that does not hold what the plan has counted on."""

import pytest

from agent.app.filling import MAX_REPAIR_BLOCKS
from agent.formats.block_tree import BLOCK_BYTES, leaves_of
from firmware_sim.world import people
from firmware_sim.world.disk import SECTOR_BYTES
from firmware_sim.world.firmware import Geometry, build
from tests.scenario.bundles import bring, installed, make, publish
from tests.scenario.deltas import announce, new_blocks
from tests.scenario.looks import events, fetched_blocks, phase
from tests.scenario.stage import Stage
from tests.scenario.test_installing import NEIGHBOUR, camera, mirrored, refused, update

GEOMETRY = Geometry(slot_blocks=802, root_blocks=800)
COPIES = sorted(set(range(800)) - set(new_blocks(GEOMETRY)))
HINT = "update/slot-a.tree"


@pytest.fixture(scope="module")
def deep():
    """More blocks are copies than may be repaired on a metered line."""
    assert len(COPIES) > MAX_REPAIR_BLOCKS
    stage = Stage(GEOMETRY)
    stage.release("1.1.0")
    return stage


def metered(stage, make=announce, hint=None, unreadable=()):
    """`hint`: the version that the active slot is said to hold; `unreadable`: blocks of it that the disk lost."""
    world = camera(stage, make, full_downloads="never")
    del world.documents.content[HINT]
    if hint is not None:
        world.documents.content[HINT] = leaves_of(build(GEOMETRY, hint))
    begin = GEOMETRY.slot_offset("a")
    world.medium.unreadable |= {(begin + block * BLOCK_BYTES) // SECTOR_BYTES for block in unreadable}
    return world


def delta_without_origin(world):
    """Its segments unpack whatever became of the active slot."""
    return announce(world, origin=False)


@pytest.mark.parametrize("hint", [None, "1.0.0"], ids=["hashed", "by the hint"])
def test_an_active_slot_that_cannot_be_read_makes_no_whole_download(deep, hint):
    world = refused(metered(deep, delta_without_origin, hint, COPIES), "full_download")
    assert len(fetched_blocks(world)) <= MAX_REPAIR_BLOCKS
    world.medium.unreadable.clear()  # the control
    world.run_until(lambda: "installed" in events(world))


@pytest.mark.parametrize("hint", [None, "1.0.0"], ids=["hashed", "by the hint"])
def test_a_few_blocks_that_cannot_be_read_are_fetched_and_no_others(deep, hint):
    lost = COPIES[:: len(COPIES) // 7]
    world = update(metered(deep, delta_without_origin, hint, lost))
    assert fetched_blocks(world) == lost


def test_a_hint_that_is_no_longer_true_makes_no_whole_download_however_often_it_is_tried(deep):
    """By the hint everything can be copied, so the plan has nothing to refuse."""
    world = refused(metered(deep, None, "1.1.0"), "full_download")
    cost = len(fetched_blocks(world))
    assert 0 < cost <= MAX_REPAIR_BLOCKS
    looks = len(world.server.exchanges)
    world.run_for(48 * 3600)
    assert len(world.server.exchanges) > looks
    assert len(fetched_blocks(world)) == cost


def test_a_hint_that_is_no_longer_true_costs_nothing_where_a_delta_has_the_blocks(deep):
    world = update(metered(deep, announce, "1.1.0"))
    assert fetched_blocks(world) == []


def test_what_a_neighbour_gives_instead_of_copies_is_no_download(deep):
    world = update(metered(deep, lambda world: mirrored(world, NEIGHBOUR), "1.1.0"))
    assert fetched_blocks(world) == []
    assert phase(world) == "idle"


def test_a_bundle_at_hand_is_no_download():
    stage = Stage(GEOMETRY)
    world = stage.fresh()
    world.schedule = {"full_downloads": "never"}
    world.power_on()
    people.claim(world)
    world.run_for(200)  # until it has seen itself healthy
    stage.release("1.1.0")
    publish(stage, world)
    assert bring(world, make(stage.operator, "1.1.0"))["ok"]
    world.run_until(lambda: installed(world, "1.1.0"))
