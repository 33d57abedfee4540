"""Telemetry by a mobile line: few messages, no sample lost while the power is on, and news at once."""

import itertools

import pytest

from agent.app.reporting import KEEP_ALIVE_S
from agent.core.gathering import most
from agent.formats import envelope
from agent.formats.ownership import MOBILE, WIRED
from firmware_sim.world import factory, people
from tests.scenario.owners import status
from tests.scenario.stage import Stage
from update_server.settings import DAY_S, Devices

EVERY_S = factory.TELEMETRY_INTERVAL_S
TOGETHER = most(MOBILE, EVERY_S)
HOUR_S = 3600


def enrolled(stage, line):
    world = stage.fresh(on=True)
    people.enrol(world, stage.operator, people.claim(world)["grant"], line=line)
    world.run_for(900)
    world.broker.messages.clear()
    return world


@pytest.fixture
def mobile(stage):
    """A camera that has sent what is news after its enrolment."""
    return enrolled(stage, MOBILE)


def said(world):
    """The samples of each message that came."""
    return [envelope.parse(payload).body["samples"] for payload in world.broker.on("/up/telemetry")]


def times(world):
    return [sample["at"] for found in said(world) for sample in found]


def gaps(at):
    return {later - sooner for sooner, later in itertools.pairwise(at)}


def test_many_samples_go_together_and_none_is_missing(mobile):
    mobile.run_for(6 * HOUR_S)
    counts = [len(found) for found in said(mobile)]
    assert max(counts) == TOGETHER
    assert len(counts) <= 6 * HOUR_S // (TOGETHER * EVERY_S) + 4, "as good as no other has brought news"
    assert gaps(times(mobile)) <= {EVERY_S, EVERY_S + 1}
    assert sum(counts) >= 6 * HOUR_S // EVERY_S - TOGETHER
    assert not [what for what in mobile.power.trace if "outbox/telemetry" in what], "the flash is spared"


def test_a_quiet_day_is_what_the_bytes_of_a_day_are_counted_from():
    """See tests/contract/server/test_day.py: a camera as a server sets it up, from a day after its enrolment on."""
    set_up = Devices()
    stage = Stage()  # of its own: its operator signs in two days' time
    world = stage.fresh(on=True)
    people.enrol(
        world, stage.operator, people.claim(world)["grant"], line=set_up.line, check_interval_s=set_up.check_interval_s,
        telemetry_interval_s=set_up.telemetry_interval_s,
    )  # fmt: skip
    world.run_for(DAY_S)
    stage.operator.set_time(int(world.clock.now_s))
    fresh = stage.operator.director.publish_timestamp()  # as a server does at each look
    world.server.files[f"/tuf/director/{world.device_id()}/timestamp.json"] = fresh
    world.broker.messages.clear()
    world.server.exchanges.clear()
    world.run_for(DAY_S)
    together = most(set_up.line, set_up.telemetry_interval_s)
    came = [len(world.broker.on(topic)) for topic in ("/up/alarm", "/up/report", "/up/evidence", "/state")]
    assert came == [0, 0, 1, 0]
    assert len(said(world)) <= DAY_S // (together * set_up.telemetry_interval_s) + 2
    assert len(times(world)) >= DAY_S // set_up.telemetry_interval_s - together
    asked = [one.path for one in world.server.exchanges]
    assert 1 <= len(asked) <= 2
    assert all(path.endswith("/timestamp.json") for path in asked), asked


def test_by_wire_every_sample_goes_at_once(stage):
    world = enrolled(stage, WIRED)
    world.run_for(HOUR_S)
    assert {len(found) for found in said(world)} == {1}
    assert len(said(world)) >= HOUR_S // EVERY_S - 1
    assert world.link.keep_alive_s == KEEP_ALIVE_S[WIRED]


def test_the_line_may_be_silent_for_longer(mobile):
    assert mobile.link.keep_alive_s == KEEP_ALIVE_S[MOBILE] > KEEP_ALIVE_S[WIRED]


def test_news_goes_with_the_next_sample(mobile):
    mobile.run_for(2 * EVERY_S)
    mobile.broker.messages.clear()
    mobile.sensors.measured = {**mobile.sensors.measured, "listeners_count": 77}
    mobile.run_for(EVERY_S + 5)
    assert said(mobile)[-1][-1]["listeners_count"] == 77
    came = len(said(mobile))
    mobile.sensors.measured = {**mobile.sensors.measured, "cpu_percent": 77.5}
    mobile.run_for(EVERY_S + 5)
    assert len(said(mobile)) == came, "a gauge is no news"


def test_hours_without_a_link_lose_no_sample(mobile):
    mobile.run_for(TOGETHER * EVERY_S)
    mobile.broker.down = True
    mobile.run_for(5 * HOUR_S)
    mobile.broker.down = False
    mobile.run_until(lambda: status(mobile)["outbox"] == 0)
    assert gaps(times(mobile)) <= {EVERY_S, EVERY_S + 1}


def test_the_server_hears_afterwards_what_kept_the_camera_away(mobile):
    mobile.run_for(HOUR_S)
    mobile.broker.messages.clear()
    since_at = int(mobile.clock.now_s)
    mobile.broker.down = True
    mobile.run_for(60)
    mobile.link.events.append(("down", "somebody else answers", "portal"))
    mobile.run_for(2 * HOUR_S)
    mobile.broker.down = False
    until_at = int(mobile.clock.now_s)
    mobile.run_for(2 * EVERY_S)
    last = said(mobile)[-1][-1]
    assert last["outage"] == "portal"
    assert 0 <= last["outage_since_at"] - since_at <= 5
    assert 0 <= last["outage_until_at"] - until_at <= 5
    assert len(said(mobile)) <= 2 * HOUR_S // (TOGETHER * EVERY_S) + 2, "with a sample that was due, and not again"
    assert not any("outage" in sample for found in said(mobile)[:-1] for sample in found[:-1])


def test_a_short_break_is_not_told(mobile):
    mobile.broker.down = True
    mobile.run_for(60)
    mobile.broker.down = False
    mobile.run_for(2 * EVERY_S)
    assert not any("outage" in sample for found in said(mobile) for sample in found)


def test_an_orderly_end_costs_no_sample_and_a_power_cut_an_hour_at_most(mobile):
    mobile.run_for(20 * EVERY_S)
    mobile.broker.down = True
    mobile.run_for(10 * EVERY_S)
    before = int(mobile.clock.now_s)
    mobile.agent.stop()
    mobile.power_cut()
    mobile.broker.down = False
    mobile.power_on()
    mobile.run_for(300)
    found = times(mobile)
    assert max(at for at in found if at <= before) >= before - EVERY_S
    mobile.power_cut()
    cut = int(mobile.clock.now_s)
    mobile.power_on()
    mobile.run_for(300)
    assert max(at for at in times(mobile) if at <= cut) >= cut - HOUR_S
