"""The power fails at every operation of an update that comes as a delta, or encrypted, over a slow line.

The line is so slow that the journal is written while the update comes. The slot is filled with copies of the active
slot and with segments, some of which reach over two units; what the journal names is neither lost nor asked for again.
"""

import pytest

from agent.app.medium import UNIT_BLOCKS
from agent.app.part import NAMES as PARTS
from agent.formats import delivery, segments
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.transfer import MIN_BYTES_PER_S
from firmware_sim.world.disk import StrictBlockDevice
from firmware_sim.world.firmware import Geometry, build
from firmware_sim.world.power import ERASED, FADED, LOST, SPLIT, TORN
from tests.scenario.chapters import FACTORY, FIRST, always, ends_with, told
from tests.scenario.deltas import KEY, NAME, announce, new_blocks
from tests.scenario.looks import PROGRESS, events, fetched_blocks, journalled
from tests.scenario.stage import Stage
from tests.scenario.sweep import sweep

GEOMETRY = Geometry(slot_blocks=140, root_blocks=138)
BLOCKS = 139


@pytest.fixture(scope="module")
def wide():
    stage = Stage(GEOMETRY)
    stage.release(FIRST)
    return stage


def slow(stage, make):
    """A camera on a slow line, the power off, for which 1.1.0 waits with what `make(world)` says of the delivery."""
    world = stage.world(FIRST)
    world.schedule = {"max_bytes_per_s": MIN_BYTES_PER_S}
    stage.assign(world, FIRST, delivery.as_json(make(world)))
    return world


def delta(world):
    return announce(world)


def encrypted(world):
    """Its plain image is nowhere."""
    release = announce(world, KEY, list(range(BLOCKS)), origin=False)
    for path in [path for path in world.server.files if path.endswith(".slot")]:
        del world.server.files[path]
    return release


def index_of(world):
    (body,) = [body for path, body in world.server.files.items() if path.endswith(NAME)]
    runs, count = (int.from_bytes(body[at : at + 4], "big") for at in (12, 16))
    return segments.parse(body[: 20 + 8 * runs + 48 * count])


def fetched_segments(world, begin=0):
    """Numbers of the segments of which something went over the wire, from this exchange on."""
    index, found = index_of(world), set()
    for one in world.server.exchanges[begin:]:
        for segment in map(index.segment, range(index.segment_count)) if one.path.endswith(NAME) else ():
            if one.offset_bytes < segment.offset + segment.stored_bytes and (
                segment.offset < one.offset_bytes + one.served_bytes
            ):
                found.add(segment.number)
    return found


def lost(world):
    """Blocks that the journal names and the medium does not hold."""
    at, wanted = GEOMETRY.slot_offset("b"), build(GEOMETRY, FIRST)
    pieces = [slice(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES) for block in sorted(journalled(world))]
    return [one.start for one in pieces if world.medium.content[at + one.start : at + one.stop] != wanted[one]]


@pytest.mark.parametrize(("make", "outcomes"), [(delta, (TORN, ERASED)), (encrypted, (SPLIT, FADED))])
def test_a_cut_at_every_operation_of_an_update_in_segments(wide, make, outcomes):
    begin, story = slow(wide, make), ends_with(FIRST, "committed")
    index = index_of(begin)
    left = []

    def after(world):
        assert lost(world) == []  # before the power comes back, not only after repairs
        left.append(len(journalled(world)))
        story(world)

    def check(world, cut):
        always(world, "a", FACTORY)
        assert world.firmware("b").version == FIRST
        assert "committed" in events(world)
        assert not {"rolled_back", "refused", "failed"} & set(events(world))
        assert fetched_blocks(world) == [], "blocks were fetched as they are"
        again = [set(index.blocks_of(number)) for number in fetched_segments(world, cut.exchanges)]
        assert all(blocks - cut.journalled for blocks in again), "a segment that was journalled was fetched again"

    swept = sweep(begin.copy, story, check, after=after, outcomes=outcomes)
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations) * len(outcomes)
    assert swept.operations.count(f"store {PROGRESS}") >= 2, "the journal was written at the end alone"
    assert all(f"append {part}" in swept.operations for part in PARTS), "no two segments were long on their way"
    assert {0, BLOCKS} < set(left), "no cut fell between two journals"


def test_the_delta_is_put_together_from_segments_and_copies(wide):
    """Without both, the sweep above would not see what it is for."""
    world = slow(wide, delta)
    ends_with(FIRST, "committed")(world)
    held = {block for number in fetched_segments(world) for block in index_of(world).blocks_of(number)}
    assert sorted(held) == new_blocks(GEOMETRY)
    assert 0 < len(held) < BLOCKS
    units = [
        {block // UNIT_BLOCKS for block in index_of(world).blocks_of(number)} for number in fetched_segments(world)
    ]
    assert any(len(one) > 1 for one in units), "no segment reaches over two units"


class Deaf(StrictBlockDevice):
    """A device that says it has flushed."""

    def flush(self):
        if self._medium.power.operation("flush"):
            raise self._medium.power.fail()


def test_control_a_journal_of_what_was_not_flushed_is_caught(wide):
    begin = slow(wide, delta)

    def make(seed):
        world = begin.copy(seed)
        world.make_device = Deaf
        return world

    def story(world):
        world.power_on()
        world.run_until(lambda: told(world, "refused"))

    def check(world, cut):
        assert lost(world) == []

    swept = sweep(make, story, check, after=lambda world: None, outcomes=(LOST,))
    assert swept.failures
    assert all("AssertionError" in failure for failure in swept.failures)
