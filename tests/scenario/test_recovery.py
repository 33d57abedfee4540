"""A camera with one main slot and a small recovery system: updates go through the recovery, which nobody writes."""

import pytest

from firmware_sim.world.factory import CHECK_INTERVAL_S
from firmware_sim.world.firmware import DEAD_SERVICES, HANGS, RECOVERY, Geometry, build
from firmware_sim.world.hardware import RECOVERY_VERSION
from firmware_sim.world.power import DISK_OUTCOMES, ERASED, TORN
from tests.scenario.chapters import told
from tests.scenario.looks import events, fetched_blocks, phase, reports, running, settled
from tests.scenario.stage import Stage
from tests.scenario.sweep import sweep

GEOMETRY = Geometry(slot_blocks=14, root_blocks=12, recovery_blocks=5)
LARGE_ERASE = Geometry(slot_blocks=32, root_blocks=20, erase_bytes=65536, recovery_blocks=16)
BAD, NEXT = "1.2.0", "1.2.1"
HOUR_S = 3600


@pytest.fixture(scope="module")
def recovering():
    return Stage(GEOMETRY)


def bad(stage):
    if BAD not in stage.operator.releases:
        stage.release(BAD, behaviour=DEAD_SERVICES)
    return BAD


def untouched(world):
    """The recovery system is what the factory wrote, to the byte."""
    length = world.geometry.slot_bytes("b")
    wanted = build(world.geometry, RECOVERY_VERSION, 1, RECOVERY, "b")
    assert len(wanted) == length
    assert world.slot_bytes("b") == wanted


def ended(world, version, event):
    """The story: the power is on, until this version is settled and the operator knows of the event."""
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, version) and told(world, event))


def in_recovery(stage, seed=0):
    """A camera whose trial of 1.2.0 has failed."""
    world = stage.world(bad(stage), seed)
    ended(world, RECOVERY_VERSION, "rolled_back")
    return world


def test_an_update_goes_through_the_recovery_system_and_back(recovering):
    world = recovering.world("1.1.0")
    ended(world, "1.1.0", "committed")
    assert [(boot.slot, boot.version, boot.on_trial) for boot in world.boots] == [
        ("a", "1.0.0", False),
        ("b", RECOVERY_VERSION, False),
        ("a", "1.1.0", True),
    ]
    assert world.firmware("a").version == "1.1.0"
    assert events(world) == ["started", "installed", "committed"]
    assert {report.source for report in reports(world)} == {"1.0.0"}
    assert len(fetched_blocks(world)) < 13, "the blocks that the main slot had in place were fetched"
    untouched(world)
    world.run_for(2 * CHECK_INTERVAL_S)
    assert len(world.boots) == 3, "it went on restarting"


def test_a_failed_trial_ends_in_the_recovery_system_and_the_next_release_is_installed_from_there(recovering):
    world = in_recovery(recovering)
    assert world.boots[-1].slot == "b"
    assert [boot.on_trial for boot in world.boots[2:]] == [True, True, True, False]
    world.run_for(2 * CHECK_INTERVAL_S)
    assert running(world) == RECOVERY_VERSION, "what failed was tried again"
    assert world.admin("status")["slot"] == "b"
    if NEXT not in recovering.operator.releases:
        recovering.release(NEXT)
    recovering.assign(world, NEXT)
    world.run_until(lambda: settled(world, NEXT) and told(world, "committed"))
    assert events(world) == ["started", "installed", "rolled_back", "started", "installed", "committed"]
    untouched(world)


def test_the_release_before_can_be_ordered_from_the_recovery_system(recovering):
    world = in_recovery(recovering)
    recovering.assign(world, "1.0.0")
    world.run_until(lambda: settled(world, "1.0.0") and told(world, "committed"))
    assert world.firmware("a").version == "1.0.0"


def test_a_main_system_that_hangs_is_left_and_the_recovery_system_reports_it(recovering):
    if "1.1.9" not in recovering.operator.releases:
        recovering.release("1.1.9", behaviour=HANGS)
    world = recovering.world("1.1.9")
    ended(world, RECOVERY_VERSION, "rolled_back")
    untouched(world)


@pytest.mark.parametrize("place", ["system", "root"])
def test_a_damaged_main_system_is_installed_again_by_the_recovery_system(recovering, place):
    world = recovering.world("1.1.0")
    ended(world, "1.1.0", "committed")
    world.power_cut()
    offset = GEOMETRY.slot_offset("a") + (GEOMETRY.fit_offset() if place == "system" else 5000)
    world.medium.content[offset] ^= 1
    assert world.firmware("a") is None
    world.power_on()
    assert running(world) == RECOVERY_VERSION
    world.run_until(lambda: settled(world, "1.1.0"))
    assert world.firmware("a").version == "1.1.0"
    assert [report.code for report in reports(world) if report.event == "rolled_back"] == ["gave_way"]
    untouched(world)


@pytest.mark.parametrize("geometry", [GEOMETRY, LARGE_ERASE], ids=["small", "16 blocks in an erase block"])
def test_a_cut_at_every_operation_of_an_update(geometry):
    stage = Stage(geometry)
    stage.release("1.1.0")
    outcomes = DISK_OUTCOMES if geometry is GEOMETRY else (ERASED,)

    def check(world, cut):
        known = world.admin("status")
        assert (known["slot"], known["version"]) == ("a", "1.1.0")
        assert "committed" in events(world)
        assert not {"rolled_back", "refused", "failed"} & set(events(world))
        assert not set(fetched_blocks(world, cut.exchanges)) & cut.journalled
        always(world)

    swept = sweep(lambda seed: stage.world("1.1.0", seed), lambda world: ended(world, "1.1.0", "committed"), check,
                  outcomes=outcomes)  # fmt: skip
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations) * len(outcomes)


def test_a_cut_at_every_operation_of_a_failed_trial_and_of_the_release_after_it(recovering):
    version = bad(recovering)
    if NEXT not in recovering.operator.releases:
        recovering.release(NEXT)

    def story(world):
        if not told(world, "rolled_back"):
            ended(world, RECOVERY_VERSION, "rolled_back")
            recovering.assign(world, NEXT)
        ended(world, NEXT, "committed")

    def check(world, cut):
        assert world.boots[-1].slot == "a"
        assert world.admin("status")["version"] == NEXT
        always(world)

    swept = sweep(lambda seed: recovering.world(version, seed), story, check, outcomes=(TORN,))
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations)


def always(world):
    """What holds after every cut."""
    assert all(boot.sound for boot in world.boots if boot.slot == "b")
    assert not [boot for boot in world.boots if boot.on_trial and not boot.sound], "what was armed does not verify"
    untouched(world)


def test_the_way_to_the_recovery_system_waits_for_a_window_and_the_way_back_for_nothing(recovering):
    """The camera sees nothing in between; the stage's time is a Sunday, 00:00 UTC."""
    world = recovering.world("1.1.0")
    world.schedule = {"windows": "sun 06:00-07:00", "time_zone": "UTC0"}
    world.power_on()
    world.run_for(4 * HOUR_S)
    assert [boot.slot for boot in world.boots] == ["a"]
    assert not fetched_blocks(world)
    assert [(report.event, report.code) for report in reports(world)] == [("waiting", "window")]
    world.schedule = {"windows": "mon 06:00-07:00", "time_zone": "UTC0"}  # what the recovery system has learned
    world.run_until(lambda: settled(world, "1.1.0") and told(world, "committed"))
    assert 6 * HOUR_S <= world.clock.now_s - recovering.idle.clock.now_s + 900 <= 7 * HOUR_S


def test_a_recovery_system_that_does_not_start_costs_one_restart(recovering):
    world = recovering.world("1.1.0")
    world.medium.content[GEOMETRY.slot_offset("b") + GEOMETRY.fit_offset("b")] ^= 1
    ended(world, "1.0.0", "rolled_back")
    world.run_for(3 * CHECK_INTERVAL_S)
    assert [boot.slot for boot in world.boots] == ["a", "a"]
    assert world.firmware("a").version == "1.0.0", "the only system was touched"
    (report,) = [report for report in reports(world) if report.event == "rolled_back"]
    assert report.detail == "the recovery system did not start"
    assert phase(world) == "idle"
    assert world.record().active == "a"


def test_from_the_recovery_system_nothing_below_the_epoch_of_what_ran_is_installed():
    """The boot loader's index cannot rise above the recovery system's epoch; the agent keeps a floor of its own."""
    stage = Stage(GEOMETRY)
    stage.release("1.1.0", epoch=2)
    world = stage.world("1.1.0")
    ended(world, "1.1.0", "committed")
    stage.release("1.2.0", epoch=2, behaviour=DEAD_SERVICES)
    stage.assign(world, "1.2.0")
    world.run_until(lambda: settled(world, RECOVERY_VERSION) and told(world, "rolled_back"))
    assert world.record().rollback_index == 1
    stage.assign(world, "1.0.0")
    world.run_until(lambda: told(world, "refused"))
    assert [report.code for report in reports(world) if report.event == "refused"] == ["epoch_rollback"]
    assert running(world) == RECOVERY_VERSION
