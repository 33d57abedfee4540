"""A line on which a segment takes half a minute or more: what has come is not fetched again, whatever breaks."""

import pytest

from agent.app.medium import FLUSH_S
from agent.app.part import NAMES, Part, _header
from agent.app.sources import LEAST_PIECE_BYTES
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from firmware_sim.world.firmware import Geometry
from tests.scenario.deltas import announce
from tests.scenario.looks import events, fetched_blocks, running, settled
from tests.scenario.stage import Stage
from tests.scenario.test_installing import camera, served, world_artifact_bytes

SLOW = 8192  # bytes in a second: 64 kbit/s
GEOMETRY = Geometry(slot_blocks=802, root_blocks=800)
LARGE = Geometry(slot_blocks=832, root_blocks=800, erase_bytes=131072)
MAX_LIVES = 40
LOST_BYTES = int(FLUSH_S) * SLOW + 2 * LEAST_PIECE_BYTES  # by a loss of power: what is kept then is a while old


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


def kept(world):
    return {name: body for name, body in world.documents.content.items() if name in NAMES}


def lives(world, life_s):
    """Cut the power after so many seconds again and again, until it runs 1.1.0; how often that was."""
    for cuts in range(MAX_LIVES):
        end = world.clock.now_s + life_s
        while world.clock.now_s < end and running(world) != "1.1.0":
            world.turn()
        if running(world) == "1.1.0":
            return cuts
        world.power_cut()
        world.power_on()
    return MAX_LIVES


def gets_on(world, life_s):
    cuts = lives(world, life_s)
    assert 0 < cuts < MAX_LIVES, "it was not cut, or never got on"
    assert arrived(world) <= world_artifact_bytes(world) + cuts * LOST_BYTES
    world.run_until(lambda: settled(world, "1.1.0"))
    assert fetched_blocks(world) == []
    assert kept(world) == {}


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


@pytest.mark.parametrize(
    ("life_s", "segment_blocks"), [(60, 64), (100, 64), (100, 128), (150, 200), (60, 256), (30, 256)]
)
def test_each_loss_of_power_costs_some_seconds_of_the_line(deep, life_s, segment_blocks):
    """Also where a segment takes longer than the power lasts, and nothing is left of what was not flushed."""
    gets_on(slow(deep, segment_blocks), life_s)


@pytest.mark.parametrize(("life_s", "segment_blocks"), [(60, 250), (100, 250), (60, 100), (30, 256)])
def test_so_it_is_where_a_segment_ends_within_an_erase_block(life_s, segment_blocks):
    """Its last blocks are in memory until the next segment has come."""
    stage = Stage(LARGE)
    stage.release("1.1.0")
    gets_on(slow(stage, segment_blocks), life_s)


def test_control_without_the_part_on_the_storage_it_never_gets_on(deep, monkeypatch):
    monkeypatch.setattr(Part, "_keep", lambda _part: None)
    world = slow(deep, 256)
    assert lives(world, 60) == MAX_LIVES


@pytest.mark.parametrize("spoilt", ["torn", "of another", "a bit of it", "all of it, and its check"])
def test_a_part_that_is_not_what_was_written_costs_no_more_than_itself(deep, spoilt):
    """And nobody is blamed for it: it is not known who gave it."""
    world = slow(deep, 256)
    world.run_until(lambda: max(map(len, kept(world).values()), default=0) > 300_000)
    world.power_cut()
    ((name, part),) = kept(world).items()
    part = bytearray(part)
    if spoilt == "torn":
        part = part[: len(part) - 1000]
    elif spoilt == "of another":
        part[0] ^= 1
    elif spoilt == "a bit of it":
        part[-1000] ^= 1
    else:
        part = part[:HASH_BYTES] + _header(bytes(300_000)) + bytes(300_000)
    world.documents.content[name] = bytes(part)
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    assert arrived(world) <= world_artifact_bytes(world) + (256 * BLOCK_BYTES) + LOST_BYTES
    assert fetched_blocks(world) == []
    assert "refused" not in events(world)
    assert kept(world) == {}


def test_a_storage_that_is_full_keeps_no_part_and_the_update_goes_on(deep):
    world = slow(deep, 256)
    world.run_until(lambda: arrived(world) > 100_000)
    world.documents.room_bytes = sum(len(body) for body in world.documents.content.values()) + 200_000
    world.run_until(lambda: arrived(world) > 1_500_000)
    world.documents.room_bytes += 1_000_000
    world.run_until(lambda: settled(world, "1.1.0"))
    assert arrived(world) == world_artifact_bytes(world)
