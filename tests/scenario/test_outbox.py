"""Messages: durable before they are sent, kept until acknowledged, bounded; the important ones last longest."""

from agent.core.outbox import MAX_COUNT
from agent.formats import envelope
from agent.formats.errors import FormatError
from firmware_sim.world.power import OUTCOMES
from tests.scenario.looks import events, settled
from tests.scenario.sweep import sweep


def waiting(world):
    """Messages in the store."""
    return [name for name in world.documents.content if name.startswith("outbox/")]


def arrived(world):
    """(type, boot, seq) of everything that reached the broker, as the ingest counts; it drops what does not parse."""
    known = set()
    for topic, payload in world.broker.messages:
        try:
            found = envelope.parse(payload) if "/up/" in topic else None
        except FormatError:
            continue
        if found is not None:
            known.add((found.type, found.boot, found.seq))
    return known


def test_telemetry_arrives_and_leaves_the_store(stage):
    world = stage.world()
    world.power_on()
    world.run_for(1800)
    kinds = [kind for kind, _, _ in arrived(world)]
    assert kinds.count("telemetry") >= 25
    assert kinds.count("evidence") >= 1
    assert len(waiting(world)) <= 1


def test_what_was_queued_without_a_link_arrives_after_a_power_cut(stage):
    world = stage.world()
    world.broker.down = True
    world.power_on()
    world.run_for(1800)
    stored = set(waiting(world))
    assert len(stored) >= 25
    world.power_cut()
    world.broker.down = False
    world.power_on()
    world.run_until(lambda: not stored & set(waiting(world)))
    assert len(arrived(world)) >= len(stored)


def test_a_message_that_the_storage_does_not_give_back_stops_no_other(stage):
    world = stage.world()
    world.broker.down = True
    world.power_on()
    world.run_for(900)
    stored = set(waiting(world))
    world.documents.broken_folder = lost = min(stored)
    world.broker.down = False
    world.run_until(lambda: not (stored - {lost}) & set(waiting(world)))
    assert len(world.boots) == 1
    world.documents.broken_folder = ""
    world.restart()
    world.run_until(lambda: lost not in waiting(world))


def test_no_two_messages_have_the_same_name(stage):
    world = stage.world()
    for _ in range(5):
        world.power_on()
        world.run_for(400)
        world.power_cut()
    payloads = {payload for topic, payload in world.broker.messages if "/up/" in topic}
    assert len(payloads) == len(arrived(world))


def test_a_month_without_a_link_stays_bounded_and_keeps_the_reports(stage):
    world = stage.world("1.1.0")
    world.broker.down = True
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(2 * 86400)
    assert len(waiting(world)) <= MAX_COUNT
    size = sum(len(world.documents.content[name]) for name in waiting(world))
    assert size < 4 * 1024 * 1024
    world.broker.down = False
    world.run_until(lambda: "committed" in events(world))
    assert events(world) == ["started", "installed", "committed"]


def test_a_cut_at_every_operation_loses_no_message_that_was_stored(stage):
    def story(world):
        if world.agent is None:
            world.power_on()
        begin = world.clock.now_s
        world.run_until(lambda: world.clock.now_s >= begin + 300)

    lost = []

    def make(_seed):
        # The same chance each time: the story ends by the clock, and jitter would move its last operations behind it.
        world = stage.world()
        world.broker.down = True
        world.power_on()
        world.run_for(200)
        world.power_cut()
        world.broker.down = False
        world.power.trace.clear()
        world.power.count = 0
        world.stored = set(waiting(world))
        return world

    def check(world, cut):
        world.run_until(lambda: not world.stored & set(waiting(world)))
        kinds = [kind for kind, _, _ in arrived(world)]
        if len(kinds) < len(world.stored):
            lost.append(cut)

    swept = sweep(make, story, check)
    assert swept.failures == []
    assert lost == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert any(operation.startswith("delete outbox/") for operation in swept.operations)


def test_damaged_messages_in_the_store_stop_nothing(stage):
    world = stage.world()
    world.broker.down = True
    world.power_on()
    world.run_for(300)
    world.power_cut()
    first, second = sorted(waiting(world))[:2]
    world.documents.content[first] = b""
    world.documents.content[second] = b"\xff" * 50
    world.documents.content["outbox/rubbish"] = b"?"
    world.broker.down = False
    world.power_on()
    world.run_for(900)
    assert len([kind for kind, _, _ in arrived(world) if kind == "telemetry"]) >= 14
