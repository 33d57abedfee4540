"""A healthy boot leaves the boot record as it should be; an update under way leaves it alone. And reports come once."""

import pytest

from agent.formats import boot_record, envelope
from tests.scenario.conftest import Stage


@pytest.fixture(scope="module")
def stage():
    return Stage()


def set_record(world, **changes):
    body = boot_record.encode(world.record().replace(**changes))
    for at in world.geometry.record_offsets():
        world.medium.content[at : at + len(body)] = body


def test_a_healthy_boot_forgets_tries_and_a_spent_trial(stage):
    world = stage.world()
    set_record(world, trial="b", left=0, tries=7)
    world.power_on()
    world.run_for(120)
    found = world.record()
    assert (found.active, found.trial, found.left, found.tries) == ("a", "-", 0, 0)


def test_the_slot_that_the_boot_loader_fell_back_to_is_kept_once_healthy(stage):
    world = stage.world()
    set_record(world, active="b")  # slot B holds nothing: the boot loader takes A
    assert world.power_on().slot == "a"
    world.run_for(120)
    assert world.record().active == "a"


def test_started_and_installed_are_told_once_per_release(stage):
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: world.agent._updating.state.phase == "installing")
    for _ in range(3):
        world.power_cut()
        world.power_on()
    world.run_until(lambda: world.boots[-1].version == "1.1.0" and world.agent._updating.state.phase == "idle")
    world.run_for(600)
    # Delivery is at least once: what was not acknowledged before the restart comes again, as the same message.
    reports = {}
    for payload in world.broker.on("/up/report"):
        found = envelope.parse(payload)
        reports[found.boot, found.seq] = found.body["event"]
    assert sorted(reports.values()) == ["committed", "installed", "started"]
