"""Bad releases, bad servers, bad media: refused, or recovered from, with one clear error; the active slot is untouched.

Each case spoils one thing on a camera that is about to update. What is refused is reported once, by name, and nothing
boots but the old system; what can be recovered from installs without a word. Either way the camera installs once the
fault is gone, and so does the twin on which nothing was spoilt.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.world.disk import SECTOR_BYTES
from firmware_sim.world.firmware import Geometry, build
from firmware_sim.world.network import ALWAYS, ENDLESS, FLIP, Fault
from firmware_sim.world.repository import describe, make_release
from firmware_sim.world.world import World
from tests.scenario.looks import PROGRESS, events, reports, running, settled
from tests.scenario.stage import Stage

VERSION, NEXT = "1.1.0", "1.1.1"
COPIED, FETCHED = 3, 4
"""Blocks that a release has in common with the active slot, and has not (firmware_sim.world.firmware.build)."""


class Case(NamedTuple):
    """`spoil(stage, world)` spoils a world whose power is off.

    `code` is what is reported, once; empty: nothing is. `installs`: the camera recovers by itself.
    """

    spoil: Callable[[Stage, World], None]
    code: str
    installs: bool = False


def sectors(stage: Stage, slot: str, block: int) -> set[int]:
    first = (stage.geometry.slot_offset(slot) + block * BLOCK_BYTES) // SECTOR_BYTES
    return set(range(first, first + BLOCK_BYTES // SECTOR_BYTES))


def path_of(stage: Stage, name: str) -> str:
    return next(path for path in stage.operator.files if path.endswith(name))


def forge(stage: Stage, world: World, published, **changes) -> None:
    """Both repositories list the release as the manufacturer never should."""
    twin = stage.operator.copy()
    twin.set_time(int(world.clock.now_s))
    twin.add(published)
    forged = published.release.replace(**changes)
    twin.image.targets[forged.target] = twin.director.targets[forged.target] = describe(forged)
    twin.director.targets = {forged.target: describe(forged)}
    twin.publish()
    world.server.files.update(twin.files)
    # The operator's next files must be newer than the forged ones.
    for mine, forged_one in ((stage.operator.image, twin.image), (stage.operator.director, twin.director)):
        mine.versions.update(forged_one.versions)


# --- releases


def a_slot_too_small(stage, world):
    large = Geometry(slot_blocks=20, root_blocks=18)
    forge(stage, world, make_release(build(large, "4.0.0"), "4.0.0", 1))


def an_image_longer_than_its_blocks(stage, world):
    published = make_release(build(stage.geometry, "4.1.0"), "4.1.0", 1)
    forge(stage, world, published, length_bytes=published.release.length_bytes + BLOCK_BYTES)


def a_tree_whose_root_is_another(stage, world):
    forge(stage, world, make_release(build(stage.geometry, "4.2.0"), "4.2.0", 1), tree_root="11" * 32)


def a_tree_longer_than_the_image(stage, world):
    published = make_release(build(stage.geometry, "4.3.0"), "4.3.0", 1)
    forge(stage, world, published, tree_length_bytes=published.release.tree_length_bytes + 32)


# --- servers


def a_tree_that_lies(stage, world):
    world.server.fail(Fault(FLIP, f"{VERSION}.tree", 70, ALWAYS))


def a_tree_that_lies_once(stage, world):
    world.server.fail(Fault(FLIP, f"{VERSION}.tree", 70, 1))


def a_mirror_that_swaps_the_image(stage, world):
    world.server.files[path_of(stage, f"{VERSION}.slot")] = world.server.files[path_of(stage, f"{NEXT}.slot")]


def a_mirror_that_swaps_the_tree(stage, world):
    world.server.files[path_of(stage, f"{VERSION}.tree")] = world.server.files[path_of(stage, f"{NEXT}.tree")]


def an_image_longer_than_declared(stage, world):
    path = path_of(stage, f"{VERSION}.slot")
    world.server.files[path] += b"more" * BLOCK_BYTES


def an_answer_longer_than_asked_for_once(stage, world):
    world.server.fail(Fault(ENDLESS, f"{VERSION}.slot", 0, 1))


# --- media


def a_read_only_disk(stage, world):
    world.run_before = lambda: setattr(world.medium, "read_only", True)


def a_bad_sector_where_the_release_is_written(stage, world):
    world.medium.bad_sectors |= sectors(stage, "b", FETCHED)


def a_sector_that_cannot_be_read_back(stage, world):
    world.medium.unreadable |= sectors(stage, "b", FETCHED)


def a_sector_that_forgets(stage, world):
    world.medium.forgetful |= sectors(stage, "b", FETCHED)


def a_bad_sector_where_the_active_slot_would_be_copied_from(stage, world):
    """The block can be fetched instead."""
    world.medium.unreadable |= sectors(stage, "a", COPIED)


# --- the data partition


def a_journal_of_rubbish(stage, world):
    world.documents.content[PROGRESS] = b"rubbish"


def a_journal_that_is_empty(stage, world):
    world.documents.content[PROGRESS] = b""


def a_journal_that_lies(stage, world):
    """It says of this release that all of it is there: the read back knows better."""
    root = bytes.fromhex(stage.operator.releases[VERSION].release.tree_root)
    world.documents.content[PROGRESS] = root + b"b" + b"\xff\x1f"


def a_stored_tree_that_rotted(stage, world):
    world.documents.content["update/tree.bin"] = b"\x11" * 32 * (stage.geometry.root_blocks + 1)


def a_saved_state_that_rotted(stage, world):
    world.documents.content["update/state.json"] = b'{"phase":"installing"'


CASES = (
    Case(a_slot_too_small, "image_too_large"),
    Case(an_image_longer_than_its_blocks, "format"),
    Case(a_tree_whose_root_is_another, "arbitrary_software"),
    Case(a_tree_longer_than_the_image, "format"),
    Case(a_tree_that_lies, "arbitrary_software"),
    Case(a_tree_that_lies_once, "arbitrary_software", installs=True),
    Case(a_mirror_that_swaps_the_image, "arbitrary_software"),
    Case(a_mirror_that_swaps_the_tree, "arbitrary_software"),
    Case(an_image_longer_than_declared, "", installs=True),
    Case(an_answer_longer_than_asked_for_once, "", installs=True),
    Case(a_read_only_disk, "medium"),
    Case(a_bad_sector_where_the_release_is_written, "medium"),
    Case(a_sector_that_cannot_be_read_back, "medium"),
    Case(a_sector_that_forgets, "medium"),
    Case(a_bad_sector_where_the_active_slot_would_be_copied_from, "", installs=True),
    Case(a_journal_of_rubbish, "", installs=True),
    Case(a_journal_that_is_empty, "", installs=True),
    Case(a_journal_that_lies, "", installs=True),
    Case(a_stored_tree_that_rotted, "", installs=True),
    Case(a_saved_state_that_rotted, "", installs=True),
)


@pytest.fixture(autouse=True)
def both_releases(stage):
    for version in (VERSION, NEXT):
        if version not in stage.operator.releases:
            stage.release(version)


@pytest.mark.parametrize("case", CASES, ids=[case.spoil.__name__ for case in CASES])
def test_bad_input_is_refused_or_recovered_from_and_the_active_slot_is_untouched(stage, case):
    world, twin = stage.world(VERSION, 1), stage.world(VERSION, 1)
    case.spoil(stage, world)
    before = world.digest()
    world.power_on()
    getattr(world, "run_before", lambda: None)()
    if case.installs:
        world.run_until(lambda: settled(world, VERSION))
        world.run_for(900)
    else:
        world.run_until(lambda: "refused" in events(world))
        world.run_for(6 * 3600)
        assert "refused" in world.admin("status")["update"]["last_result"]
        assert len(world.boots) == 1
        assert running(world) == "1.0.0"
    refused = [report for report in reports(world) if report.event == "refused"]
    assert [report.code for report in refused] == ([case.code] if case.code else [])
    assert all(report.detail for report in refused), "the report does not say what is wrong"
    assert world.digest()["a"] == before["a"], "the active slot was touched"
    assert "committed" not in events(world) or world.firmware("b").version == VERSION

    # The fault is gone; a new order installs.
    world.server.heal()
    world.medium.read_only = False
    for faulty in (world.medium.bad_sectors, world.medium.unreadable, world.medium.forgetful):
        faulty.clear()
    world.server.files.update(stage.operator.files)
    stage.assign(world, NEXT)
    world.run_until(lambda: settled(world, NEXT))

    # And nothing but the fault made the difference.
    twin.power_on()
    twin.run_until(lambda: settled(twin, VERSION))
    twin.run_for(900)
    assert "refused" not in events(twin)


def test_a_full_data_partition_arms_nothing_says_so_and_goes_on_when_there_is_room(stage):
    """Nothing can be reported where nothing can be stored: the camera's own status says it."""
    world = stage.world(VERSION)
    world.power_on()
    before = world.digest()
    used = sum(len(body) for body in world.documents.content.values())
    world.documents.room_bytes = used
    world.run_for(12 * 3600)
    assert len(world.boots) == 1
    assert world.digest()["a"] == before["a"]
    assert "full" in world.admin("status")["update"]["last_result"]
    world.documents.room_bytes = used + 1024 * 1024
    world.run_until(lambda: settled(world, VERSION))
    assert events(world)[-1] == "committed"


def test_a_data_partition_without_room_for_the_tree_is_said_once_and_the_update_goes_on_when_there_is_room():
    """State, trust and reports are short, and find room; the tree of a large slot does not."""
    stage = Stage(Geometry(slot_blocks=802, root_blocks=800))
    world = stage.world(VERSION)
    used = sum(len(body) for body in world.documents.content.values())
    tree_bytes = stage.operator.releases[VERSION].release.tree_length_bytes
    assert tree_bytes > 24_000
    world.documents.room_bytes = used + tree_bytes - 1000
    before = world.digest()
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    asked = len(world.server.fetched(".tree"))
    world.run_for(24 * 3600)
    assert len(world.server.fetched(".tree")) > asked, "it was not tried again"
    assert [(report.event, report.code) for report in reports(world)] == [("started", ""), ("refused", "storage")]
    assert "full" in reports(world)[-1].detail
    assert world.admin("status")["update"]["last_result"] == "refused storage"
    after = world.digest()
    assert [after[slot] for slot in "ab"] == [before[slot] for slot in "ab"]
    assert len(world.boots) == 1
    assert "update/tree.bin" not in world.documents.content
    world.documents.room_bytes += 1024 * 1024
    world.run_until(lambda: settled(world, VERSION))
    assert events(world)[-1] == "committed"
