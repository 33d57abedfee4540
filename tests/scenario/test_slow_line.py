"""A line on which a segment takes half a minute or more: what has come is not fetched again, whatever breaks."""

import pytest

from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.world import packing
from firmware_sim.world.firmware import Geometry
from tests.scenario.deltas import announce
from tests.scenario.looks import fetched_blocks, running, settled
from tests.scenario.stage import Stage
from tests.scenario.test_installing import camera, served, world_artifact_bytes

SLOW = 8192  # bytes in a second: 64 kbit/s
GEOMETRY = Geometry(slot_blocks=802, root_blocks=800)
MAX_LIVES = 30


@pytest.fixture(scope="module")
def deep():
    """A release whose new blocks are 2 MiB, in two of three blocks of the slot."""
    stage = Stage(GEOMETRY)
    stage.release("1.1.0")
    return stage


def slow(stage, segment_blocks):
    world = camera(stage, lambda world: announce(world, segment_blocks=segment_blocks), max_bytes_per_s=SLOW)
    world.power_on()
    return world


def arrived(world):
    return served(world.server, "a.delta")


def test_a_segment_goes_on_where_it_was_after_the_server_was_away(deep):
    world = slow(deep, 200)
    for part in (1, 2, 3):
        begin = arrived(world)
        world.run_until(lambda begin=begin: arrived(world) > begin + 150_000)
        world.server.down = True
        world.run_for(300 * part)
        world.server.down = False
    world.run_until(lambda: settled(world, "1.1.0"))
    assert arrived(world) == world_artifact_bytes(world), "bytes were fetched twice"
    assert fetched_blocks(world) == []


@pytest.mark.parametrize(("life_s", "segment_blocks"), [(60, 64), (100, 64), (100, 128), (150, 200)])
def test_each_loss_of_power_costs_one_segment_at_most(deep, life_s, segment_blocks):
    """Also where another segment is on its way when it comes, and nothing is left of what was not flushed."""
    world = slow(deep, segment_blocks)
    cuts = 0
    while cuts < MAX_LIVES:
        end = world.clock.now_s + life_s
        while world.clock.now_s < end and running(world) != "1.1.0":
            world.turn()
        if running(world) == "1.1.0":
            break
        world.power_cut()
        world.power_on()
        cuts += 1
    assert 0 < cuts < MAX_LIVES, "it was not cut, or never got on"
    segment_bytes = segment_blocks * BLOCK_BYTES + packing.TAG_BYTES
    assert arrived(world) <= world_artifact_bytes(world) + cuts * segment_bytes
    world.run_until(lambda: settled(world, "1.1.0"))
    assert fetched_blocks(world) == []
