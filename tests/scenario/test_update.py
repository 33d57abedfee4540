"""An update, from the director's order to the committed slot."""

from agent.core.slots import RECORDED_FAILURES
from agent.formats import boot_record
from firmware_sim.world.firmware import DEAD_SERVICES, HANGS
from tests.scenario.looks import events, fetched_blocks, inactive, phase, reports, running, settled


def update(world, version):
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, version))
    world.run_for(900)


def test_an_assigned_release_is_installed_tried_and_committed(stage):
    world = stage.world("1.1.0")
    update(world, "1.1.0")
    assert [(boot.slot, boot.version, boot.on_trial) for boot in world.boots] == [
        ("a", "1.0.0", False),
        ("b", "1.1.0", True),
    ]
    assert world.firmware("a").version == "1.0.0"
    assert world.firmware("b").version == "1.1.0"
    assert events(world) == ["started", "installed", "committed"]
    assert [(report.source, report.to) for report in reports(world)] == [("1.0.0", "1.1.0")] * 3


def test_success_is_reported_only_after_the_reboot(stage):
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: len(world.boots) == 2)
    assert "committed" not in events(world)
    update(world, "1.1.0")
    assert events(world)[-1] == "committed"


def test_unchanged_blocks_are_copied_and_nothing_is_fetched_twice(stage):
    world = stage.world("1.1.0")
    update(world, "1.1.0")
    fetched = fetched_blocks(world)
    assert len(set(fetched)) == len(fetched)
    common = {index for index in range(stage.geometry.root_blocks) if index % 3 == 0}
    assert set(fetched) == set(range(stage.geometry.root_blocks + 1)) - common


def test_the_slot_goes_back_and_forth(stage):
    world = stage.world("1.1.0")
    update(world, "1.1.0")
    stage.release("1.1.1")
    stage.assign(world, "1.1.1")
    update(world, "1.1.1")
    assert [boot.slot for boot in world.boots] == ["a", "b", "a"]
    assert world.firmware("b").version == "1.1.0"


def test_an_idle_camera_asks_one_question(stage):
    world = stage.world()
    world.power_on()
    world.run_for(3600)
    first = len(world.server.exchanges)
    world.run_for(3600)
    asked = [one.path for one in world.server.exchanges[first:]]
    assert len(asked) >= 10
    assert all(path.endswith("/timestamp.json") and "/director/" in path for path in asked)


def test_a_version_that_fails_its_health_checks_rolls_back_and_is_not_tried_again(stage):
    stage.release("1.2.0", behaviour=DEAD_SERVICES)
    world = stage.world("1.2.0")
    world.power_on()
    world.run_until(lambda: len(world.boots) == 5)
    world.run_for(3600)
    trials = [("1.2.0", True)] * RECORDED_FAILURES
    assert [(boot.version, boot.on_trial) for boot in world.boots] == [("1.0.0", False), *trials, ("1.0.0", False)]
    assert events(world) == ["started", "installed", "rolled_back"]
    assert reports(world)[-1].code == "unhealthy"
    assert reports(world)[-1].detail == "3 health checks failed, the last: no answer from onvif, rtsp, web"
    assert phase(world) == "idle"

    world.run_for(6 * 3600)
    assert len(world.boots) == 5, "the version that failed was tried again"

    stage.release("1.2.1")
    stage.assign(world, "1.2.1")
    update(world, "1.2.1")
    assert running(world) == "1.2.1"


def test_a_version_that_never_gets_to_its_agent_rolls_back(stage):
    stage.release("1.3.0", behaviour=HANGS)
    world = stage.world("1.3.0")
    world.power_on()
    world.run_until(lambda: "rolled_back" in events(world))
    versions = [boot.version for boot in world.boots]
    assert versions == ["1.0.0"] + ["1.3.0"] * RECORDED_FAILURES + ["1.0.0"]
    assert reports(world)[-1].detail == "3 resets without a word: watchdog or panic"
    world.run_for(6 * 3600)
    assert len(world.boots) == 5


def test_a_report_that_cannot_be_sent_undoes_nothing(stage):
    world = stage.world("1.1.0")
    world.broker.down = True
    update(world, "1.1.0")
    world.run_for(86400)
    assert settled(world, "1.1.0")
    assert events(world) == []
    world.broker.down = False
    world.run_until(lambda: "committed" in events(world))
    assert events(world) == ["started", "installed", "committed"]


def test_a_report_without_acknowledgement_is_kept_over_a_power_cut(stage):
    world = stage.world("1.1.0")
    world.broker.refuses.add("/up/report")
    update(world, "1.1.0")
    world.power_cut()
    world.broker.refuses.clear()
    world.power_on()
    world.run_until(lambda: len(events(world)) >= 3)
    assert events(world) == ["started", "installed", "committed"]


def test_a_server_that_is_gone_stops_nothing(stage):
    world = stage.world("1.1.0")
    world.power_on()
    world.server.down = True
    world.broker.down = True
    world.run_for(86400)
    assert len(world.boots) == 1
    world.server.down = False
    world.run_until(lambda: len(world.boots) == 2)
    world.server.down = True
    update(world, "1.1.0")
    assert settled(world, "1.1.0"), "a server that is away is no fault of the new system"
    assert inactive(world) == "a"


def test_the_rollback_index_rises_with_the_update_after_the_one_that_raised_the_epoch(stage):
    """The old slot stays bootable until the next update starts; then the older epoch is refused by the boot loader."""
    stage.release("6.0.0", epoch=2)
    stage.release("6.0.1", epoch=2)
    world = stage.world("6.0.0")
    update(world, "6.0.0")
    assert world.record().rollback_index == 1
    stage.assign(world, "6.0.1")
    update(world, "6.0.1")
    assert world.record().rollback_index == 2
    assert world.firmware("a").version == "6.0.1"


def test_a_lower_epoch_does_not_boot_even_when_the_record_asks_for_it(stage):
    stage.release("6.1.0", epoch=2)
    world = stage.world("6.1.0")
    update(world, "6.1.0")
    world.power_cut()
    asked = boot_record.encode(world.record().replace(active="a", rollback_index=2))
    for at in stage.geometry.record_offsets():
        world.medium.content[at : at + len(asked)] = asked
    world.power_on()
    assert running(world) == "6.1.0"
